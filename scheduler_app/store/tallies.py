"""How the newest runs ended that fit a filter which no roll-up has: counted over a bounded number of them."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.run import RunState
from scheduler_app.store.runs import RunFilter
from scheduler_app.store.tables import runs

MOST_LOOKED_AT = 20_000
MANY = 10_000


def ended(
    tx: sa.Connection, where: RunFilter, start: datetime, end: datetime, size: int
) -> Mapping[int, Mapping[str, int]]:
    """Return how many runs ended in each state, by each `size` microseconds; of one job, or of the newest runs."""
    looked_at = sa.select(runs).order_by(runs.c.id.desc()).limit(MOST_LOOKED_AT)
    if where.job_ids:
        looked_at = looked_at.where(runs.c.job_id.in_(where.job_ids))
    newest = looked_at.subquery()
    weight = sa.case((newest.c.state == RunState.MISSED, sa.func.coalesce(newest.c.missed_count, MANY)), else_=1)
    # written out: PostgreSQL does not see that two parameters are one, and refuses to group by them
    at = (newest.c.finished_at - newest.c.finished_at % sa.literal_column(str(size))).label("at")
    query = sa.select(at, newest.c.state, sa.func.sum(weight).label("number")).where(
        newest.c.finished_at >= to_micros(start), newest.c.finished_at < to_micros(end)
    )
    for column, values in ((newest.c.task, where.tasks), (newest.c.origin, where.origins)):
        if values:
            query = query.where(column.in_(values))
    found: dict[int, dict[str, int]] = {}
    for row in tx.execute(query.group_by(at, newest.c.state)):
        found.setdefault(row.at, {})[row.state] = int(row.number)
    return found
