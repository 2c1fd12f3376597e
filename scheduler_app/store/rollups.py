"""Roll-ups: how many runs ended in each final state, by the minute and by the hour."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.run import RunState
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import runs

MINUTE, HOUR = 60_000_000, 3_600_000_000
MOST_COUNTED = 100_000
# a range of more firings than are told counts as so many
MANY = 10_000

_weight = sa.case((runs.c.state == RunState.MISSED, sa.func.coalesce(runs.c.missed_count, MANY)), else_=1)
ENDED = Statement(
    sa.select(runs.c.finished_at, runs.c.state, _weight.label("number"))
    .where(runs.c.finished_at >= sa.bindparam("start"), runs.c.finished_at < sa.bindparam("end"))
    .order_by(runs.c.finished_at.desc())
    .limit(MOST_COUNTED)
)


def read(tx: sa.Connection, start: datetime, end: datetime, size: int) -> Mapping[int, dict[str, int]]:
    """Return the counts by state of each bucket of `size` microseconds that has any."""
    found: dict[int, dict[str, int]] = {}
    for row in ENDED.rows(tx, start=to_micros(start), end=to_micros(end)):
        counts = found.setdefault(row.finished_at // size * size, {})
        counts[row.state] = counts.get(row.state, 0) + row.number
    return found
