"""Endings: which runs a transaction brings to a final state, noted for what is kept of them at its COMMIT.

Invariant kept here: whoever writes a final state notes it in the same transaction, once for each row it has changed.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.run import Origin
from scheduler_app.store.lanes import notes
from scheduler_app.store.tables import runs

# a range of more firings than are told counts as so many
MANY = 10_000
# what a statement that ends runs returns of each
ENDING = (
    runs.c.id,
    runs.c.job_key,
    runs.c.origin,
    runs.c.state,
    runs.c.scheduled_at,
    runs.c.started_at,
    runs.c.finished_at,
)


class Ending(NamedTuple):
    """How one run ended; times in microseconds. `job` is None for a one-off, `firings` how many a range stands for."""

    job: int | None
    run: int
    state: str
    scheduled_at: int
    started_at: int | None
    finished_at: int
    firings: int = 1


class Firings(NamedTuple):
    """When the jobs were due that are fired, and when that is committed."""

    due: list[int]
    at: int


class Plans(NamedTuple):
    """That what is planned has changed."""


PLANS = Plans()


class Gone(NamedTuple):
    """That a job is deleted."""

    job: int


def note(tx: sa.Connection, endings: Iterable[Ending]) -> None:
    """Note how runs end in this transaction."""
    notes(tx).extend(endings)


def note_rows(tx: sa.Connection, rows: Iterable[Any]) -> None:
    """Note how the runs end whose `ENDING` columns a statement has returned."""
    notes(tx).extend(
        Ending(job_of(row.job_key, row.origin), row.id, row.state, row.scheduled_at, row.started_at, row.finished_at)
        for row in rows
    )


def commits_at(tx: sa.Connection, moment: datetime) -> None:
    """Note when the firings are about to be committed that were noted last."""
    noted = notes(tx)
    firings: Firings = noted[-1]
    noted[-1] = Firings(firings.due, max(firings.at, to_micros(moment)))


def job_of(key: int, origin: str) -> int | None:
    """Return the job of which a run is told; a one-off has but one."""
    return None if origin == Origin.ONCE else key
