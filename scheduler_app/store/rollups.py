"""Roll-ups: how many runs ended in each final state, by the minute and by the hour in which they ended.

`firings` counts each firing of a missed range, and any other run as one; `pruned` how many of the runs were deleted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.store.endings import Ending
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import rollups

Step = Literal["minute", "hour"]
SIZES: dict[Step, int] = {"minute": 60_000_000, "hour": 3_600_000_000}
MINUTE, HOUR = SIZES.values()
_insert = postgresql.insert(rollups)
ADD = Statement(
    _insert.on_conflict_do_update(
        index_elements=["step", "at", "state"],
        set_={
            "count": rollups.c.count + _insert.excluded.count,
            "firings": rollups.c.firings + _insert.excluded.firings,
        },
    ),
    columns=("step", "at", "state", "count", "firings"),
)
BETWEEN = Statement(
    sa.select(rollups).where(
        rollups.c.step == sa.bindparam("step"),
        rollups.c.at >= sa.bindparam("start"),
        rollups.c.at < sa.bindparam("end"),
    )
)
NOTE_PRUNED = Statement(
    rollups.update()
    .where(
        rollups.c.step == sa.bindparam("step_"),
        rollups.c.at == sa.bindparam("at_"),
        rollups.c.state == sa.bindparam("state_"),
    )
    .values(pruned=rollups.c.pruned + sa.bindparam("number_"))
)
PRUNE = Statement(
    rollups.delete().where(rollups.c.step == sa.bindparam("step_"), rollups.c.at < sa.bindparam("before_"))
)

# minute and state, then runs and firings
Counts = Mapping[tuple[int, str], tuple[int, int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollup:
    """How many runs ended in a state in a minute or an hour, for how many firings they stand, and how many are gone."""

    at: datetime
    state: str
    count: int
    firings: int
    pruned: int


def add(tx: sa.Connection, endings: Iterable[Ending]) -> None:
    """Count runs that end in this transaction."""
    counts: dict[tuple[int, str], tuple[int, int]] = {}
    for ending in endings:
        place = (ending.finished_at // MINUTE * MINUTE, ending.state)
        count, firings = counts.get(place, (0, 0))
        counts[place] = count + 1, firings + ending.firings
    ADD.many(tx, [*_rows("minute", counts), *_rows("hour", hourly(counts))])


def hourly(counts: Counts) -> Counts:
    """Add minutes up to hours."""
    found: dict[tuple[int, str], tuple[int, int]] = {}
    for (at, state), (count, firings) in counts.items():
        place = (at // HOUR * HOUR, state)
        before = found.get(place, (0, 0))
        found[place] = before[0] + count, before[1] + firings
    return found


def _rows(step: Step, counts: Counts) -> Iterable[dict[str, object]]:
    for (at, state), (count, firings) in counts.items():
        yield {"step": step, "at": at, "state": state, "count": count, "firings": firings}


def read(tx: sa.Connection, start: datetime, end: datetime, step: Step) -> list[Rollup]:
    """Return the minutes or hours from one moment until before another that have any run."""
    rows = BETWEEN.rows(tx, step=step, start=to_micros(start), end=to_micros(end))
    return [
        Rollup(at=from_micros(row.at), state=row.state, count=row.count, firings=row.firings, pruned=row.pruned)
        for row in rows
    ]


def raise_to(tx: sa.Connection, counts: Counts) -> None:
    """Let minutes, and their hours with them, count at least so many runs."""
    if not counts:
        return
    start, end = min(at for at, _ in counts), max(at for at, _ in counts) + 1
    known = {(row.at, row.state): row for row in BETWEEN.rows(tx, step="minute", start=start, end=end)}
    lacking = {}
    for place, (count, firings) in counts.items():
        row = known.get(place)
        if row is None:
            lacking[place] = (count, firings)
        elif row.count - row.pruned < count:
            lacking[place] = (count - row.count + row.pruned, max(0, firings - row.firings))
    ADD.many(tx, [*_rows("minute", lacking), *_rows("hour", hourly(lacking))])


def add_hours(tx: sa.Connection, counts: Counts) -> None:
    """Count runs of which only the hours are kept."""
    ADD.many(tx, list(_rows("hour", hourly(counts))))


def note_pruned(tx: sa.Connection, ends: Sequence[tuple[int, str]]) -> None:
    """Note that runs, named by when and how they ended, are deleted."""
    numbers: dict[tuple[str, int, str], int] = {}
    for finished_at, state in ends:
        for step, size in SIZES.items():
            place = (step, finished_at // size * size, state)
            numbers[place] = numbers.get(place, 0) + 1
    NOTE_PRUNED.many(
        tx,
        [{"step_": step, "at_": at, "state_": state, "number_": n} for (step, at, state), n in numbers.items()],
    )


def prune(tx: sa.Connection, step: Step, before: datetime) -> None:
    """Delete what is older than a moment."""
    PRUNE.run(tx, step_=step, before_=to_micros(before))
