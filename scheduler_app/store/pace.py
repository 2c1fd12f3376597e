"""How the newest runs came to be: when each was to fire, when it did, when it started. Read from the newest back."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.run import Origin
from scheduler_app.store.rows import moment
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import runs

_newest = sa.select(runs).order_by(runs.c.id.desc()).limit(sa.bindparam("most")).subquery()
NEWEST = Statement(
    sa.select(
        _newest.c.origin,
        _newest.c.state,
        _newest.c.scheduled_at,
        _newest.c.queued_at,
        _newest.c.started_at,
        _newest.c.finished_at,
        _newest.c.missed_count,
    )
    .where(_newest.c.scheduled_at >= sa.bindparam("since"))
    .order_by(_newest.c.id)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A run on its way: `left_at` is when it no longer waited, None while it does. `number`: of how many firings."""

    is_firing: bool
    scheduled_at: datetime
    queued_at: datetime | None
    left_at: datetime | None
    number: int


def newest(tx: sa.Connection, since: datetime, most: int) -> list[Step]:
    """Return the runs that were to start since a moment, among the `most` newest; the oldest first."""
    return [
        Step(
            is_firing=row.origin == Origin.SCHEDULE,
            scheduled_at=from_micros(row.scheduled_at),
            queued_at=moment(row.queued_at),
            left_at=moment(row.started_at if row.started_at is not None else row.finished_at),
            number=row.missed_count or 1,
        )
        for row in NEWEST.rows(tx, since=to_micros(since), most=most)
    ]
