"""The attempts of a run that others followed; what goes well at once costs nothing here."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.attempt import PastAttempt
from scheduler_app.domain.outcome import Outcome
from scheduler_app.domain.run import RunError
from scheduler_app.store.statement import Among, Statement
from scheduler_app.store.tables import attempts

MOST_TEXT = 300
CRASHED = "crashed"
KEEP = Statement(
    postgresql.insert(attempts).on_conflict_do_nothing(index_elements=["run_id", "number"]),
    columns=attempts.c.keys(),
)
OF_RUN = Statement(sa.select(attempts).where(attempts.c.run_id == sa.bindparam("run")).order_by(attempts.c.number))
FORGET = Statement(attempts.delete().where(Among(attempts.c.run_id, "ids")))


def keep(tx: sa.Connection, outcomes: Iterable[Outcome]) -> None:
    """Keep how attempts ended that others follow."""
    KEEP.many(tx, map(_row, outcomes))


def keep_crashed(tx: sa.Connection, rows: Iterable[Any], at: int) -> None:
    """Keep that attempts of runs, told by their rows, ended with what executed them."""
    KEEP.many(
        tx,
        [
            {
                "run_id": row.id,
                "number": row.attempt,
                "state": CRASHED,
                "started_at": row.started_at or at,
                "finished_at": at,
                "error": None,
            }
            for row in rows
        ],
    )


def of_run(tx: sa.Connection, run_id: int) -> list[PastAttempt]:
    """Return the attempts of a run that were followed by others, the first first."""
    return [
        PastAttempt(
            number=row.number,
            state=row.state,
            started_at=from_micros(row.started_at),
            finished_at=from_micros(row.finished_at),
            error=row.error,
        )
        for row in OF_RUN.rows(tx, run=run_id)
    ]


def forget(tx: sa.Connection, run_ids: list[int]) -> None:
    """Remove what is kept of these runs."""
    FORGET.run(tx, ids=run_ids)


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "run_id": outcome.claim.run_id,
        "number": outcome.claim.attempt,
        "state": outcome.state,
        "started_at": to_micros(outcome.started_at),
        "finished_at": to_micros(outcome.finished_at),
        "error": _line(outcome.error),
    }


def _line(error: RunError | None) -> str | None:
    return None if error is None else " ".join(f"{error.type}: {error.message}".split())[:MOST_TEXT]
