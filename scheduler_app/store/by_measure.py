"""Runs that ended, the longest or the latest first, among the newest ones that fit: an index of these would cost each
settle, so that only as many are looked at as can be sorted in a few milliseconds.

The newest are those that ended last, of some time if the filter names one; of a job, or of a state that is rare, those
that were made last.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.store.tables import UNWELL, runs

NEWEST = 3_000
MEASURES = {
    "-duration": runs.c.finished_at - runs.c.started_at,
    "-lateness": runs.c.started_at - runs.c.scheduled_at,
}
MEASURED = sa.and_(runs.c.started_at.is_not(None), sa.text("finished_at IS NOT NULL"))
Place = tuple[int, int]


def page(
    tx: sa.Connection, newest: sa.Select[Any], where: Sequence[Any], sort: str, after: Place | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Return up to `limit` of these runs that fit, after a place, each `sorted_by` its measure."""
    value = MEASURES[sort]
    order = (value.desc(), runs.c.id.desc())
    ids = sa.select(runs.c.id).where(runs.c.id.in_(newest), MEASURED, *where).order_by(*order).limit(limit)
    if after is not None:
        ids = ids.where(sa.tuple_(value, runs.c.id) < sa.tuple_(*after))
    return tx.execute(sa.select(runs, value.label("sorted_by")).where(runs.c.id.in_(ids)).order_by(*order)).all()


def ended_last(since: datetime | None, until: datetime | None) -> sa.Select[Any]:
    """Return the query of the runs that ended last, of a time; none of those that were due in it ended before it."""
    query = sa.select(runs.c.id).where(sa.text("finished_at IS NOT NULL"))
    if since is not None:
        query = query.where(runs.c.finished_at >= to_micros(since))
    if until is not None:
        query = query.where(runs.c.finished_at < to_micros(until))
    return query.order_by(runs.c.finished_at.desc()).limit(NEWEST)


def newest_of_jobs(job_ids: Sequence[str]) -> sa.Select[Any]:
    """Return the query of the newest runs of some jobs, as many of each."""
    return _newest([runs.c.job_id == job_id for job_id in job_ids])


def newest_of_states(states: Sequence[str]) -> sa.Select[Any]:
    """Return the query of the newest runs in some states that are rare, as many of each."""
    return _newest([sa.and_(sa.text(UNWELL), runs.c.state == state) for state in states])


def _newest(parts: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    each = NEWEST // len(parts)
    found = [sa.select(runs.c.id).where(part).order_by(runs.c.id.desc()).limit(each).subquery() for part in parts]
    some = sa.union_all(*(sa.select(part.c.id) for part in found)).subquery()
    return sa.select(some.c.id)
