"""Limits: what of them is used up, read in the transaction that claims; so they hold however many engines there are.

Invariant kept here: of a task with a rate limit no window of its period holds more starts than that, wherever the
window begins. A start counts from its claim on, at the latest time at which it may happen: so nothing that is still on
its way is overtaken. Who executes the run writes soon after when it really began. One whose engine died counts too.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.limits import MOST_SECONDS, RateLimit
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Claim
from scheduler_app.store.statement import Statement, still
from scheduler_app.store.tables import runs, starts

# a process may have to be started first; what waits longer for a thread is given back
LATEST = {Executor.THREAD: timedelta(seconds=2), Executor.PROCESS: timedelta(seconds=60)}
LONGEST = max(LATEST.values())
LONGEST_PERIOD = timedelta(seconds=MOST_SECONDS)
OF_TASK = starts.c.task == sa.bindparam("task")
SPENT = Statement(sa.select(sa.func.count()).where(OF_TASK, starts.c.at > sa.bindparam("since")))
NTH_NEWEST = Statement(
    sa.select(starts.c.at).where(OF_TASK).order_by(starts.c.at.desc()).limit(1).offset(sa.bindparam("newer"))
)
COUNT = Statement(starts.insert(), columns=("run_id", "token", "task", "at"))
BEGUN = Statement(
    starts.update()
    .where(starts.c.run_id == sa.bindparam("run_"), starts.c.token == sa.bindparam("token_"))
    .values(at=sa.bindparam("at_"))
)
OVER = Statement(
    starts.update()
    .where(
        starts.c.run_id == sa.bindparam("run_"),
        starts.c.token == sa.bindparam("token_"),
        starts.c.at > sa.bindparam("now_"),
    )
    .values(at=sa.bindparam("now_"))
)
UNCOUNT = Statement(
    starts.delete().where(starts.c.run_id == sa.bindparam("run_"), starts.c.token == sa.bindparam("token_"))
)
FORGET = Statement(starts.delete().where(OF_TASK, starts.c.at <= sa.bindparam("until")))
COME_DOWN = Statement(
    starts.update().where(OF_TASK, starts.c.at > sa.bindparam("latest")).values(at=sa.bindparam("now_"))
)
RUNNING_OF_TASK = Statement(
    sa.select(sa.func.count()).where(sa.text("state = 'running'"), still(runs.c.task, sa.bindparam("task")))
)
RUNNING_OF_EXECUTOR = Statement(
    sa.select(sa.func.count()).where(sa.text("state = 'running'"), runs.c.executor == sa.bindparam("executor"))
)
WAITING_OF_TASK = Statement(
    sa.select(sa.func.count()).where(
        sa.text("state = 'queued'"),
        sa.text("executor IN ('thread', 'process', 'celery')"),
        runs.c.task == sa.bindparam("task"),
    )
)
WAITING_OF_EXECUTOR = Statement(
    sa.select(sa.func.count()).where(sa.text("state = 'queued'"), runs.c.executor == sa.bindparam("executor"))
)


ANY = Statement(sa.select(starts.c.at).order_by(starts.c.task, starts.c.at).limit(1))


def starts_left(tx: sa.Connection, task: str, rate: RateLimit, now: datetime) -> int:
    """Return how often a task may start now."""
    return max(0, rate.starts - int(SPENT.scalar(tx, task=task, since=to_micros(now - rate.period))))


def next_start(tx: sa.Connection, task: str, rate: RateLimit, now: datetime) -> datetime | None:
    """Return when a task may start that may not now; None when it may."""
    newest = NTH_NEWEST.scalar(tx, task=task, newer=rate.starts - 1)
    if newest is None or from_micros(newest) + rate.period <= now:
        return None
    return min(from_micros(newest), now) + rate.period


def come_down(tx: sa.Connection, task: str, now: datetime) -> None:
    """Count starts that a clock wrote down which has been set back since as of now: they hold nothing up for longer."""
    COME_DOWN.run(tx, task=task, latest=to_micros(now + LONGEST), now_=to_micros(now))


def count_starts(tx: sa.Connection, claims: Sequence[Claim], rate: RateLimit, now: datetime) -> None:
    """Count the starts of a task, in the transaction that claims them, and forget those that count no more."""
    task = claims[0].task
    FORGET.run(tx, task=task, until=to_micros(now - rate.period))
    COUNT.many(
        tx,
        [
            {
                "run_id": claim.run_id,
                "token": claim.token,
                "task": task,
                "at": to_micros(now + LATEST.get(claim.executor, LATEST[Executor.THREAD])),
            }
            for claim in claims
        ],
    )


def note_begun(tx: sa.Connection, begun: Iterable[tuple[Claim, datetime]]) -> None:
    """Write when counted starts really happened."""
    BEGUN.many(tx, [{"run_": c.run_id, "token_": c.token, "at_": to_micros(at)} for c, at in begun])


def note_over(tx: sa.Connection, held: Iterable[tuple[int, int]], now: datetime) -> None:
    """Count starts of claims, named by run id and token, as of now at the latest: who was to make them is gone."""
    OVER.many(tx, [{"run_": run_id, "token_": token, "now_": to_micros(now)} for run_id, token in held])


def uncount(tx: sa.Connection, held: Iterable[tuple[int, int]]) -> None:
    """Do not count the starts of claims, named by run id and token, that were given back before they began."""
    UNCOUNT.many(tx, [{"run_": run_id, "token_": token} for run_id, token in held])


def running_of_task(tx: sa.Connection, task: str) -> int:
    """Return how many runs of a task engines hold."""
    return int(RUNNING_OF_TASK.scalar(tx, task=task))


def running_of_executor(tx: sa.Connection, executor: str) -> int:
    """Return how many runs of an executor engines hold."""
    return int(RUNNING_OF_EXECUTOR.scalar(tx, executor=executor))


def waiting_of_task(tx: sa.Connection, task: str) -> int:
    """Return how many runs of a task are queued."""
    return int(WAITING_OF_TASK.scalar(tx, task=task))


def waiting_of_executor(tx: sa.Connection, executor: str) -> int:
    """Return how many runs of an executor are queued."""
    return int(WAITING_OF_EXECUTOR.scalar(tx, executor=executor))


def has_old(tx: sa.Connection, now: datetime) -> bool:
    """Whether there are starts that no limit can count any more; most stores have none at all."""
    return (
        ANY.scalar(tx) is not None
        and tx.execute(sa.select(starts.c.at).where(_is_old(now)).limit(1)).first() is not None
    )


def forget_old(tx: sa.Connection, now: datetime) -> None:
    """Forget the starts that no limit can count any more."""
    tx.execute(starts.delete().where(_is_old(now)))


def _is_old(now: datetime) -> sa.ColumnElement[bool]:
    return starts.c.at <= to_micros(now - LONGEST_PERIOD)
