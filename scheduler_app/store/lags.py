"""How late jobs fire."""

from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.run import Origin
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import runs

MOST_LOOKED_AT = 2_000

_latest = sa.select(runs).order_by(runs.c.id.desc()).limit(MOST_LOOKED_AT).subquery()
FIRED = Statement(
    sa.select((_latest.c.queued_at - _latest.c.scheduled_at).label("lag")).where(
        _latest.c.origin == Origin.SCHEDULE, _latest.c.queued_at >= sa.bindparam("since")
    )
)


def since(tx: sa.Connection, moment: datetime) -> list[float]:
    """Return by how many seconds each firing since a moment was late, the least first."""
    return sorted(row.lag / 1e6 for row in FIRED.rows(tx, since=to_micros(moment)))
