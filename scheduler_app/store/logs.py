"""The log of a run: chunks at byte offsets; of a long one the first and the last 512 KiB are kept."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import logs

KEPT_END = 512 * 1024
END = Statement(
    sa.select((logs.c.start + logs.c.size).label("end"))
    .where(logs.c.run_id == sa.bindparam("run"))
    .order_by(logs.c.start.desc())
    .limit(1)
)
APPEND = Statement(logs.insert(), columns=logs.c.keys())


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPiece:
    """Bytes of a run's log; `start` counts from the beginning of what its attempt wrote."""

    start: int
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class LogChunk:
    """A kept part of a run's log at an absolute offset."""

    start: int
    data: bytes


def size(tx: sa.Connection, run_id: int) -> int:
    """Return how many bytes the run has written, kept or not."""
    return END.scalar(tx, run=run_id) or 0


def append(tx: sa.Connection, run_id: int, attempt: int, base: int, pieces: Iterable[LogPiece]) -> None:
    """Add what an attempt wrote, at `base`, and drop what is neither among the first nor the last 512 KiB."""
    rows = [
        {"run_id": run_id, "start": base + p.start, "size": len(p.data), "attempt": attempt, "text": p.data}
        for p in pieces
    ]
    if not rows:
        return
    APPEND.many(tx, rows)
    end = rows[-1]["start"] + rows[-1]["size"]  # type: ignore[operator]
    if end > 2 * KEPT_END:
        tx.execute(
            logs.delete().where(
                logs.c.run_id == run_id, logs.c.start >= KEPT_END, logs.c.start + logs.c.size <= end - KEPT_END
            )
        )


def read(tx: sa.Connection, run_id: int, *, offset: int, limit: int) -> list[LogChunk]:
    """Return kept chunks that end after `offset`, in order, until about `limit` bytes."""
    query = (
        sa.select(logs.c.start, logs.c.size, logs.c.text)
        .where(logs.c.run_id == run_id, logs.c.start + logs.c.size > sa.literal(offset, sa.BigInteger))
        .order_by(logs.c.start)
    )
    chunks: list[LogChunk] = []
    total = 0
    for row in tx.execute(query):
        chunks.append(LogChunk(start=row.start, data=row.text))
        total += row.size
        if total >= limit:
            break
    return chunks


OF_ATTEMPTS = Statement(
    sa.select(
        logs.c.attempt, sa.func.min(logs.c.start).label("start"), sa.func.max(logs.c.start + logs.c.size).label("end")
    )
    .where(logs.c.run_id == sa.bindparam("run"))
    .group_by(logs.c.attempt)
    .order_by(logs.c.attempt)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptLog:
    """Where in the log of a run one of its attempts stands: from byte `start` to before `end`."""

    attempt: int
    start: int
    end: int


def of_attempts(tx: sa.Connection, run_id: int) -> list[AttemptLog]:
    """Return where each attempt stands that has written anything, in order."""
    return [AttemptLog(attempt=row.attempt, start=row.start, end=row.end) for row in OF_ATTEMPTS.rows(tx, run=run_id)]
