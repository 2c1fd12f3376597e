"""Jobs by when they fire next, read along the index of what is due; those without a next time follow, by id."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.job import Job
from scheduler_app.store.jobs import LARGEST, JobFilter, JobPlace, conditions, pages_of, placed
from scheduler_app.store.tables import jobs

TIMED = "state = 'active' AND next_run_time IS NOT NULL"
UNTIMED = f"NOT ({TIMED})"
Found = list[tuple[Job, JobPlace]]


def page(tx: sa.Connection, where: JobFilter, *, after: JobPlace | None, limit: int, backward: bool = False) -> Found:
    """Return the jobs that fit, in this order, beginning after a place; each with its own. `backward`: before it."""
    is_untimed = after is not None and after.value == LARGEST
    if backward:
        near = _untimed(tx, where, after, limit, backward) if is_untimed else []
        far = _timed(tx, where, None if is_untimed else after, limit - len(near), backward)
        return far + near
    near = [] if is_untimed else _timed(tx, where, after, limit, backward)
    return near + _untimed(tx, where, after if is_untimed else None, limit - len(near), backward)


def _timed(tx: sa.Connection, where: JobFilter, after: JobPlace | None, limit: int, backward: bool) -> Found:
    at = jobs.c.next_run_time
    query = sa.select(*pages_of(at)).where(*conditions(where), sa.text(TIMED))
    if after is not None:
        # the first column alone finds the place in the index
        near = at <= after.value if backward else at >= after.value
        here, there = sa.tuple_(at, jobs.c.id), sa.tuple_(after.value, after.id)
        query = query.where(near, here < there if backward else here > there)
    return _read(tx, query, [at, jobs.c.id], limit, backward)


def _untimed(tx: sa.Connection, where: JobFilter, after: JobPlace | None, limit: int, backward: bool) -> Found:
    value = sa.literal(LARGEST, sa.BigInteger)
    query = sa.select(*pages_of(value)).where(*conditions(where), sa.text(UNTIMED))
    if after is not None:
        query = query.where(jobs.c.id < after.id if backward else jobs.c.id > after.id)
    return _read(tx, query, [jobs.c.id], limit, backward)


def _read(
    tx: sa.Connection, query: sa.Select[Any], order: Sequence[sa.ColumnElement[Any]], limit: int, backward: bool
) -> Found:
    if limit <= 0:
        return []
    query = query.order_by(*(column.desc() for column in order) if backward else order).limit(limit)
    found = placed(tx, query)
    return found[::-1] if backward else found
