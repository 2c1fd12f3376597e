"""The places of a job, and the lock of a concurrency key.

Invariants kept here, by every change that queues a run:
- At most `max_instances` runs of a job are queued or running; at most one run of a concurrency key, across jobs.
- A run that may not start for either waits: `scheduled`, reason `blocked`, under the key that its job has now.
- Whoever frees a place or a key (a settle, a cancel, a delete, a rescue, a change of policies) queues the next in the
  same transaction, so that nothing waits while there is room for it.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.firing import NO_RUNS, Places
from scheduler_app.domain.run import Reason, RunState
from scheduler_app.store.lanes import wake_others
from scheduler_app.store.statement import Among, Statement
from scheduler_app.store.tables import OPEN_RUNS, jobs, open_runs, runs

IS_BLOCKED = sa.text("scheduler_runs.state = 'scheduled' AND scheduler_runs.reason = 'blocked'")
START_ORDER = (runs.c.priority.desc(), runs.c.ready_at, runs.c.id)
others = runs.alias("others")
TAKEN = (
    sa.select(sa.func.count())
    .select_from(others)
    .where(
        others.c.job_key == jobs.c.key,
        sa.text(f"{open_runs('others.')} AND others.state <> 'scheduled'"),
    )
    .scalar_subquery()
)
COUNT = Statement(
    sa.select(
        runs.c.job_key,
        sa.func.sum(sa.case((runs.c.state == RunState.SCHEDULED, 0), else_=1)).label("taken"),
        sa.func.sum(sa.case((runs.c.reason == Reason.BLOCKED, 1), else_=0)).label("waiting"),
        sa.func.sum(sa.case((runs.c.reason == Reason.JITTER, 1), else_=0)).label("coming"),
    )
    .where(
        Among(runs.c.job_key, "keys"),
        sa.text(OPEN_RUNS),
    )
    .group_by(runs.c.job_key)
)
LOCKED = Statement(
    sa.select(runs.c.concurrency_key).where(
        Among(runs.c.concurrency_key, "keys"),
        runs.c.concurrency_key.is_not(None),
        sa.text("state IN ('queued', 'running')"),
    )
)
WAITS = sa.exists().where(runs.c.job_key == jobs.c.key, IS_BLOCKED)
WAITING = Statement(
    sa.select(jobs.c.key, jobs.c.max_instances, jobs.c.concurrency_key, TAKEN.label("taken")).where(
        Among(jobs.c.key, "keys"), WAITS
    )
)
NEXT_OF_JOB = Statement(
    sa.select(runs.c.id)
    .where(runs.c.job_key == sa.bindparam("job"), IS_BLOCKED)
    .order_by(*START_ORDER)
    .limit(sa.bindparam("most"))
)
NEXT_OF_KEY = Statement(
    sa.select(runs.c.id)
    .select_from(runs.join(jobs, jobs.c.key == runs.c.job_key))
    .where(runs.c.concurrency_key == sa.bindparam("key"), IS_BLOCKED, jobs.c.max_instances > TAKEN)
    .order_by(*START_ORDER)
    .limit(1)
)
QUEUE = Statement(
    runs.update()
    .where(runs.c.id == sa.bindparam("id_"), runs.c.state == RunState.SCHEDULED)
    .values(state=RunState.QUEUED, reason=None, queued_at=sa.bindparam("now"))
)
# what waited for a place stands in line from now on, behind what could start before: a job whose runs wait by the
# thousand takes no place that others wait for
LINE_UP = Statement(
    runs.update()
    .where(runs.c.id == sa.bindparam("id_"), runs.c.state == RunState.SCHEDULED)
    .values(state=RunState.QUEUED, reason=None, queued_at=sa.bindparam("now"), ready_at=sa.bindparam("now"))
)
ASTRAY = Statement(
    sa.select(runs.c.id, runs.c.job_key, runs.c.concurrency_key.label("old"), jobs.c.concurrency_key.label("new"))
    .select_from(runs.join(jobs, jobs.c.key == runs.c.job_key))
    .where(
        Among(runs.c.id, "ids"),
        runs.c.state == RunState.QUEUED,
        runs.c.concurrency_key.is_distinct_from(jobs.c.concurrency_key),
    )
)
BLOCK = Statement(
    runs.update()
    .where(runs.c.id == sa.bindparam("id_"))
    .values(state=RunState.SCHEDULED, reason=Reason.BLOCKED, concurrency_key=sa.bindparam("key_"))
)
ADOPT = Statement(runs.update().where(runs.c.id == sa.bindparam("id_")).values(concurrency_key=sa.bindparam("key_")))


def places_of(tx: sa.Connection, keys: Sequence[int]) -> dict[int, Places]:
    """Return how full each of these jobs is; a job without open runs is left out."""
    if not keys:
        return {}
    rows = COUNT.rows(tx, keys=list(keys))
    return {row.job_key: Places(taken=row.taken, waiting=row.waiting, coming=row.coming) for row in rows}


def locked(tx: sa.Connection, keys: Collection[str | None]) -> set[str]:
    """Return which of these concurrency keys a run holds."""
    wanted = [key for key in keys if key is not None]
    return {row.concurrency_key for row in LOCKED.rows(tx, keys=wanted)} if wanted else set()


def has_room(tx: sa.Connection, job: int, *, most: int, concurrency_key: str | None) -> bool:
    """Whether a run of a job may be queued now."""
    taken = places_of(tx, [job]).get(job, NO_RUNS).taken
    return taken < most and not locked(tx, [concurrency_key])


def unblock(tx: sa.Connection, freed: Iterable[int], keys: Iterable[str | None], now: datetime) -> None:
    """Queue what waits for these jobs and these concurrency keys, as far as there is room."""
    left = list(set(freed))
    _unlock(tx, {key for key in keys if key is not None}, now)
    waiting = WAITING.rows(tx, keys=left) if left else []
    held = locked(tx, {row.concurrency_key for row in waiting})
    for row in waiting:
        if row.concurrency_key is None:
            _queue_next(tx, row.key, row.max_instances - row.taken, now)
        elif row.concurrency_key not in held and row.taken < row.max_instances:
            held.add(row.concurrency_key)
            _queue_next(tx, row.key, 1, now)


def _unlock(tx: sa.Connection, keys: set[str], now: datetime) -> None:
    for key in keys - locked(tx, keys):
        for row in NEXT_OF_KEY.rows(tx, key=key):
            LINE_UP.run(tx, id_=row.id, now=to_micros(now))


def _queue_next(tx: sa.Connection, job: int, most: int, now: datetime) -> None:
    if most > 0:
        LINE_UP.many(tx, [{"id_": row.id, "now": to_micros(now)} for row in NEXT_OF_JOB.rows(tx, job=job, most=most)])


def readmit(tx: sa.Connection, run_ids: Sequence[int], now: datetime) -> None:
    """Let runs that are queued again wait in line if the concurrency key of their job has changed meanwhile."""
    astray = ASTRAY.rows(tx, ids=list(run_ids)) if run_ids else []
    if astray:
        BLOCK.many(tx, [{"id_": row.id, "key_": row.new} for row in astray])
        unblock(tx, [row.job_key for row in astray], [key for row in astray for key in (row.old, row.new)], now)


def rearrange(tx: sa.Connection, job: int, *, before: str | None, after: str | None, now: datetime) -> None:
    """Let what has not started of a job line up again, after its `max_instances` or `concurrency_key` has changed."""
    waiting = (runs.c.job_key == job, runs.c.state.in_([RunState.SCHEDULED, RunState.QUEUED]))
    values: dict[str, Any] = {"state": RunState.SCHEDULED, "reason": Reason.BLOCKED}
    tx.execute(runs.update().where(runs.c.job_key == job, runs.c.state == RunState.QUEUED).values(values))
    tx.execute(runs.update().where(*waiting).values(concurrency_key=after))
    wake_others(tx)
    unblock(tx, [job], [before, after], now)
