"""The outbox: queued runs of the `celery` executor, and when each is to be published.

Invariants kept here:
- A run is in the outbox from the commit that queues it, so nothing between that commit and the broker can lose it.
- `publish_at` is null until the run is published, then the time at which it is published again unless a worker has
  claimed it by then. A claim sets it back to null, so that a run that is queued once more is due at once.
- A message proves nothing. A worker may begin only what it claims here, by compare-and-set on the state and attempt
  that the message names; of any number of messages for one attempt a single one is acted on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Claim
from scheduler_app.store import claims
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import runs

IN_OUTBOX = sa.text("state = 'queued' AND executor = 'celery'")
MESSAGE = (runs.c.id, runs.c.task, runs.c.attempt, runs.c.timeout)
UNPUBLISHED = Statement(
    sa.select(*MESSAGE)
    .where(IN_OUTBOX, runs.c.publish_at.is_(None))
    .order_by(runs.c.priority.desc(), runs.c.ready_at, runs.c.id)
    .limit(sa.bindparam("most"))
)
UNCLAIMED = Statement(
    sa.select(*MESSAGE)
    .where(IN_OUTBOX, runs.c.publish_at <= sa.bindparam("now"))
    .order_by(runs.c.publish_at)
    .limit(sa.bindparam("most"))
)
OUTSTANDING = Statement(sa.select(sa.func.count()).where(IN_OUTBOX, runs.c.publish_at > 0))
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


def mark(tx: sa.Connection, messages: Sequence[Message], until: datetime) -> list[Message]:
    """Note that these are being published, and when that has to be done again; return those still in the outbox."""
    changed = MARK.each(tx, [{"id_": message.run_id, "at_": to_micros(until)} for message in messages])
    return [message for message, is_there in zip(messages, changed, strict=True) if is_there]


def unmark(tx: sa.Connection, run_ids: Collection[int]) -> None:
    """Note that these were not published after all, or not taken: they are due again at once."""
    CLEAR.many(tx, [{"id_": run_id} for run_id in run_ids])


def claim(
    tx: sa.Connection, message: Message, *, tasks: Collection[str], engine: int, token: int, now: datetime
) -> Claim | None:
    """Claim the attempt that a message asks for; None when it is not wanted any more, or somebody was first."""
    row = claims.candidate(tx, message.run_id, tasks)
    if row is None or row.attempt + 1 != message.attempt:
        return None
    CLEAR.run(tx, id_=message.run_id)
    taken = claims.take(
        tx, [row], engine=engine, token=token, alone=bool(row.suspicions), now=now, executor=Executor.CELERY
    )
    return taken[0]


def to_be_killed(tx: sa.Connection) -> list[str]:
    """Return the messages whose attempts execute and were asked to stop."""
    return [message_id(row.id, row.attempt) for row in DEAF.rows(tx)]


def _message(row: sa.Row[tuple[int, str, int, float | None]]) -> Message:
    return Message(run_id=row.id, task=row.task, attempt=row.attempt + 1, timeout=row.timeout)
