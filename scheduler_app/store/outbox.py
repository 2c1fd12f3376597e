"""The outbox: queued runs of the `celery` executor, and when each is to be published.

Invariants kept here:
- A run is in the outbox from the commit that queues it, so nothing between that commit and the broker can lose it.
- `publish_at` is null until the run is published, then the time at which it is published again unless a worker has
  claimed it by then. A claim sets it back to null, so that a run that is queued once more is due at once.
- A message proves nothing. A worker may begin only what it claims here, by compare-and-set on the state and attempt
  that the message names; of any number of messages for one attempt a single one is acted on.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Claim
from scheduler_app.store import claims
from scheduler_app.store.queues import Queue
from scheduler_app.store.statement import Statement, still
from scheduler_app.store.tables import OPEN_RUNS, runs

IN_OUTBOX = sa.text("state = 'queued' AND executor = 'celery'")
MESSAGE = (
    runs.c.id,
    runs.c.task,
    runs.c.attempt,
    runs.c.timeout,
    runs.c.job_key,
    runs.c.priority,
    runs.c.ready_at,
)
UNPUBLISHED = Statement(
    sa.select(*MESSAGE)
    .where(IN_OUTBOX, runs.c.publish_at.is_(None))
    .order_by(runs.c.priority.desc(), runs.c.ready_at, runs.c.id)
    .limit(sa.bindparam("most"))
)
OF_TASK = (
    sa.text("state = 'queued'"),
    runs.c.executor == sa.bindparam("executor"),
    runs.c.task == sa.bindparam("task"),
    runs.c.publish_at.is_(None),
)
UNPUBLISHED_OF_TASK = Statement(
    sa.select(*MESSAGE)
    .where(*OF_TASK)
    .order_by(runs.c.priority.desc(), runs.c.ready_at, runs.c.id)
    .limit(sa.bindparam("most"))
)
UNPUBLISHED_OF_JOB = Statement(
    sa.select(*MESSAGE)
    .where(
        runs.c.job_key == sa.bindparam("job"),
        sa.text(OPEN_RUNS),
        sa.text("state = 'queued'"),
        still(runs.c.executor, sa.bindparam("executor")),
        still(runs.c.priority, sa.bindparam("priority")),
        runs.c.publish_at.is_(None),
    )
    .order_by(runs.c.id)
    .limit(1)
)
HIGHEST_UNPUBLISHED = Statement(
    sa.select(runs.c.priority)
    .where(IN_OUTBOX, runs.c.publish_at.is_(None))
    .order_by(runs.c.priority.desc(), runs.c.ready_at, runs.c.id)
    .limit(1)
)
HIGHEST_UNPUBLISHED_OF_TASK = Statement(
    sa.select(runs.c.priority).where(*OF_TASK).order_by(runs.c.priority.desc(), runs.c.ready_at, runs.c.id).limit(1)
)
QUEUE = Queue(
    executor=Executor.CELERY,
    in_order=UNPUBLISHED,
    highest=HIGHEST_UNPUBLISHED,
    of_task=UNPUBLISHED_OF_TASK,
    highest_of_task=HIGHEST_UNPUBLISHED_OF_TASK,
    of_job=UNPUBLISHED_OF_JOB,
)
UNCLAIMED = Statement(
    sa.select(*MESSAGE)
    .where(IN_OUTBOX, runs.c.publish_at <= sa.bindparam("now"))
    .order_by(runs.c.publish_at)
    .limit(sa.bindparam("most"))
)
OUTSTANDING = Statement(sa.select(sa.func.count()).where(IN_OUTBOX, runs.c.publish_at > 0))
OUTSTANDING_OF_TASK = Statement(
    # of what is published, which is little, and not of what the task has queued
    sa.select(sa.func.count()).where(IN_OUTBOX, runs.c.publish_at > 0, still(runs.c.task, sa.bindparam("task")))
)
MARK = Statement(
    runs.update()
    .where(runs.c.id == sa.bindparam("id_"), IN_OUTBOX)
    .values(publish_at=sa.bindparam("at_", type_=sa.BigInteger))
)
CLEAR = Statement(runs.update().where(runs.c.id == sa.bindparam("id_")).values(publish_at=None))
DEAF = Statement(
    sa.select(runs.c.id, runs.c.attempt).where(
        sa.text("state = 'running' AND executor = 'celery'"), runs.c.engine > 0, runs.c.cancel_requested.is_(True)
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What is published of a run: which attempt of it is wanted, and how long that may take."""

    run_id: int
    task: str
    attempt: int
    timeout: float | None

    @property
    def id(self) -> str:
        """The id of the message, the same for every copy of it."""
        return message_id(self.run_id, self.attempt)


def message_id(run_id: int, attempt: int) -> str:
    """Return the id of the messages that ask for an attempt of a run."""
    return f"{run_id}:{attempt}"


def unpublished(tx: sa.Connection, *, limit: int) -> list[Message]:
    """Return what has not been published yet, in the order in which it should start."""
    return [_message(row) for row in UNPUBLISHED.rows(tx, most=limit)]


def unclaimed(tx: sa.Connection, now: datetime, *, limit: int) -> list[Message]:
    """Return what was published, and was not claimed in the time that it had for that."""
    return [_message(row) for row in UNCLAIMED.rows(tx, now=to_micros(now), most=limit)]


def outstanding(tx: sa.Connection) -> int:
    """Return how many runs are published and not claimed."""
    return int(OUTSTANDING.scalar(tx))


def as_messages(rows: Iterable[Any]) -> list[Message]:
    """Return the messages for runs in the outbox."""
    return [_message(row) for row in rows]


def mark(tx: sa.Connection, messages: Sequence[Message], until: datetime) -> list[Message]:
    """Note that these are being published, and when that has to be done again; return those still in the outbox."""
    changed = MARK.each(tx, [{"id_": message.run_id, "at_": to_micros(until)} for message in messages])
    return [message for message, is_there in zip(messages, changed, strict=True) if is_there]


def unmark(tx: sa.Connection, run_ids: Collection[int]) -> None:
    """Note that these were not published after all, or not taken: they are due again at once."""
    CLEAR.many(tx, [{"id_": run_id} for run_id in run_ids])


def wanted(tx: sa.Connection, message: Message, tasks: Collection[str]) -> Any | None:
    """Return the run of which a message asks for an attempt; None when that is not wanted any more."""
    row = claims.candidate(tx, message.run_id, tasks)
    return row if row is not None and row.attempt + 1 == message.attempt else None


def claim(
    tx: sa.Connection, message: Message, *, tasks: Collection[str], engine: int, token: int, now: datetime
) -> Claim | None:
    """Claim the attempt that a message asks for; None when it is not wanted any more, or somebody was first."""
    row = wanted(tx, message, tasks)
    if row is None:
        return None
    CLEAR.run(tx, id_=message.run_id)
    taken = claims.take(
        tx, [row], engine=engine, token=token, alone=bool(row.suspicions), now=now, executor=Executor.CELERY
    )
    return taken[0]


def defer(tx: sa.Connection, run_id: int, until: datetime) -> None:
    """Let a run that was published and may not start now be published again then."""
    MARK.run(tx, id_=run_id, at_=to_micros(until))


def outstanding_of_task(tx: sa.Connection, task: str) -> int:
    """Return how many runs of a task are published and not claimed."""
    return int(OUTSTANDING_OF_TASK.scalar(tx, task=task))


def to_be_killed(tx: sa.Connection) -> list[str]:
    """Return the messages whose attempts execute and were asked to stop."""
    return [message_id(row.id, row.attempt) for row in DEAF.rows(tx)]


def _message(row: Any) -> Message:
    return Message(run_id=row.id, task=row.task, attempt=row.attempt + 1, timeout=row.timeout)
