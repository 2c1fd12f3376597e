"""A queue read by task and by job: past what is held back, and past a job that crowds the others out.

Each step is one look into an index, however many runs are queued.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from scheduler_app.store.claims import CANDIDATE, CANDIDATES, HIGHEST
from scheduler_app.store.statement import Statement, still
from scheduler_app.store.tables import OPEN_RUNS, runs

QUEUED = sa.text("state = 'queued'")
OF_EXECUTOR = runs.c.executor == sa.bindparam("executor")
START_ORDER = (runs.c.priority.desc(), runs.c.ready_at, runs.c.id)
# the least entry above the one before, again and again: the runs of one task are passed over in one step
TASKS = Statement(
    sa.text(
        """
        WITH RECURSIVE names(task) AS (
            SELECT min(task) FROM scheduler_runs WHERE state = 'queued' AND executor = :executor
            UNION ALL
            SELECT (
                SELECT min(task) FROM scheduler_runs
                WHERE state = 'queued' AND executor = :executor AND scheduler_runs.task > names.task
            )
            FROM names WHERE names.task IS NOT NULL
        )
        SELECT task FROM names WHERE task IS NOT NULL
        """
    ).columns(sa.column("task", sa.Text))
)
JOBS = Statement(
    sa.text(
        f"""
        WITH RECURSIVE keys(job, step) AS (
            SELECT min(job_key), 1 FROM scheduler_runs WHERE {OPEN_RUNS} AND job_key > :after
            UNION ALL
            SELECT (SELECT min(job_key) FROM scheduler_runs WHERE {OPEN_RUNS} AND job_key > keys.job), step + 1
            FROM keys WHERE keys.job IS NOT NULL AND step < :most
        )
        SELECT job FROM keys WHERE job IS NOT NULL
        """  # noqa: S608 - constants of our own
    ).columns(sa.column("job", sa.BigInteger))
)
OF_TASK = Statement(
    sa.select(*CANDIDATE)
    .where(QUEUED, OF_EXECUTOR, runs.c.task == sa.bindparam("task"))
    .order_by(*START_ORDER)
    .limit(sa.bindparam("most"))
    .with_for_update(skip_locked=True)
)
HIGHEST_OF_TASK = Statement(
    sa.select(runs.c.priority)
    .where(QUEUED, OF_EXECUTOR, runs.c.task == sa.bindparam("task"))
    .order_by(*START_ORDER)
    .limit(1)
)
OF_JOB = Statement(
    sa.select(*CANDIDATE)
    .where(
        runs.c.job_key == sa.bindparam("job"),
        sa.text(OPEN_RUNS),
        QUEUED,
        still(runs.c.executor, sa.bindparam("executor")),
        still(runs.c.priority, sa.bindparam("priority")),
    )
    .order_by(runs.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Where runs of an executor wait, read in starting order, or the runs of one task, or the first of one job.

    `highest` and `highest_of_task` read a priority alone, and lock nothing.
    """

    executor: str
    in_order: Statement
    highest: Statement
    of_task: Statement
    highest_of_task: Statement
    of_job: Statement


IsWanted = Callable[[str], bool]


def claimable(executor: str) -> Queue:
    """Return the queue from which engines claim."""
    return Queue(
        executor=executor,
        in_order=CANDIDATES,
        highest=HIGHEST,
        of_task=OF_TASK,
        highest_of_task=HIGHEST_OF_TASK,
        of_job=OF_JOB,
    )


def in_order(tx: sa.Connection, queue: Queue, tasks: Collection[str], most: int) -> list[Any]:
    """Return the first runs from the beginning of the queue: of these tasks, or of all if the queue is the outbox."""
    return queue.in_order.rows(tx, tasks=list(tasks), executor=queue.executor, most=most) if most > 0 else []


def highest(tx: sa.Connection, queue: Queue, tasks: Collection[str]) -> int | None:
    """Return the highest priority in the queue, in the same way; None when nothing waits."""
    priority = queue.highest.scalar(tx, tasks=list(tasks), executor=queue.executor)
    return None if priority is None else int(priority)


def highest_by_task(tx: sa.Connection, queue: Queue, is_wanted: IsWanted) -> int | None:
    """Return the highest priority of the tasks that are wanted; None when nothing of them waits."""
    tasks = waiting(tx, queue, is_wanted)
    priorities = (queue.highest_of_task.scalar(tx, executor=queue.executor, task=task) for task in tasks)
    return max((int(priority) for priority in priorities if priority is not None), default=None)


def by_task(tx: sa.Connection, queue: Queue, is_wanted: IsWanted, most: int) -> list[Any]:
    """Return the first runs of the tasks that are wanted, without a look at what others have queued."""
    found = [run for task in waiting(tx, queue, is_wanted) for run in of_task(tx, queue, task, most)]
    return sorted(found, key=starting)[: max(0, most)]


def waiting(tx: sa.Connection, queue: Queue, is_wanted: IsWanted) -> list[str]:
    """Return the tasks, of those that are wanted, of which something is queued, by name."""
    return [row.task for row in TASKS.rows(tx, executor=queue.executor) if is_wanted(row.task)]


def of_task(tx: sa.Connection, queue: Queue, task: str, most: int) -> list[Any]:
    """Return the first runs of a task."""
    return queue.of_task.rows(tx, executor=queue.executor, task=task, most=most) if most > 0 else []


def of_job(tx: sa.Connection, queue: Queue, job: int, priority: int) -> list[Any]:
    """Return the first run of a job, if it has this priority."""
    return queue.of_job.rows(tx, executor=queue.executor, job=job, priority=priority)


def jobs_after(tx: sa.Connection, job: int, most: int) -> list[int]:
    """Return the keys of the next jobs that have open runs."""
    return [row.job for row in JOBS.rows(tx, after=job, most=most)]


def starting(run: Any) -> tuple[int, int, int]:
    """Return what runs are sorted by when they start."""
    return -run.priority, run.ready_at, run.id
