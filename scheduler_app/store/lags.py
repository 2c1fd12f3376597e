"""Lag: how late jobs fire, from when they were due to right before the commit that records it, by the minute.

Lags are graded, four grades to a doubling, so that a percentile is right to a fifth; the largest is kept as it is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, log2

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.store.endings import Firings
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import lags

MINUTE = 60_000_000
MILLISECOND = 1000
GRADES = 4
_insert = postgresql.insert(lags)
ADD = Statement(
    _insert.on_conflict_do_update(
        index_elements=["at", "grade"],
        set_={
            "count": lags.c.count + _insert.excluded.count,
            "most": sa.case((lags.c.most > _insert.excluded.most, lags.c.most), else_=_insert.excluded.most),
        },
    ),
    columns=("at", "grade", "count", "most"),
)
SINCE = Statement(sa.select(lags).where(lags.c.at >= sa.bindparam("since")).order_by(lags.c.at, lags.c.grade))
PRUNE = Statement(lags.delete().where(lags.c.at < sa.bindparam("before_")))


@dataclass(frozen=True, kw_only=True, slots=True)
class Grade:
    """How many firings of a minute were late by at most `most` seconds, and by more than the grade below."""

    at: datetime
    count: int
    most: float


def add(tx: sa.Connection, fired: Sequence[Firings]) -> None:
    """Count firings."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for firings in fired:
        for due, number in Counter(firings.due).items():
            lag = max(0, firings.at - due)
            place = (firings.at // MINUTE * MINUTE, grade_of(lag))
            count, most = found.get(place, (0, 0))
            found[place] = count + number, max(most, lag)
    ADD.many(tx, [{"at": at, "grade": grade, "count": n, "most": most} for (at, grade), (n, most) in found.items()])


def grade_of(lag: int) -> int:
    """Return the grade of a lag in microseconds."""
    return 0 if lag <= MILLISECOND else ceil(log2(lag / MILLISECOND) * GRADES)


def since(tx: sa.Connection, moment: datetime) -> list[Grade]:
    """Return the grades of the minutes from that of a moment on."""
    rows = SINCE.rows(tx, since=to_micros(moment) // MINUTE * MINUTE)
    return [Grade(at=from_micros(row.at), count=row.count, most=row.most / 1e6) for row in rows]


def prune(tx: sa.Connection, before: datetime) -> None:
    """Delete what is older than a moment."""
    PRUNE.run(tx, before_=to_micros(before))
