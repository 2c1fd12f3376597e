"""Jobs in the order of what is kept of their runs: what they usually take, when they last failed. First those of which
it is known, by an index of that; then the others, by id."""

from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.job import Job
from scheduler_app.store.jobs import JobFilter, JobPlace, conditions, pages_of, placed
from scheduler_app.store.tables import job_stats, jobs

KINDS = {"usual": job_stats.c.usual, "last_failure": job_stats.c.last_failure}
NOT_KNOWN = 1 - 2**63
Found = list[tuple[Job, JobPlace]]


def page(tx: sa.Connection, where: JobFilter, *, after: JobPlace | None, limit: int, backward: bool = False) -> Found:
    """Return the jobs that fit, in order, beginning after a place; each with its own. `backward`: those before it."""
    is_among_rest = after is not None and after.value == NOT_KNOWN
    if backward:
        rest = _unknown(tx, where, after, limit, backward) if is_among_rest else []
        known = _known(tx, where, None if is_among_rest else after, limit - len(rest), backward)
        return known + rest
    known = [] if is_among_rest else _known(tx, where, after, limit, backward)
    return known + _unknown(tx, where, after if is_among_rest else None, limit - len(known), backward)


def _known(tx: sa.Connection, where: JobFilter, after: JobPlace | None, limit: int, backward: bool) -> Found:
    value, down = KINDS[where.sort.removeprefix("-")], where.sort.startswith("-") != backward
    query = _joined(where, value).where(value.is_not(None))
    order = (value, jobs.c.id)
    if after is not None:
        here, there = sa.tuple_(*order), sa.tuple_(after.value, after.id)
        query = query.where(here < there if down else here > there)
    return _read(tx, query.order_by(*(column.desc() for column in order) if down else order), limit, backward)


def _unknown(tx: sa.Connection, where: JobFilter, after: JobPlace | None, limit: int, backward: bool) -> Found:
    value = KINDS[where.sort.removeprefix("-")]
    query = _joined(where, sa.literal(NOT_KNOWN, sa.BigInteger), is_outer=True).where(value.is_(None))
    if after is not None:
        query = query.where(jobs.c.id < after.id if backward else jobs.c.id > after.id)
    return _read(tx, query.order_by(jobs.c.id.desc() if backward else jobs.c.id), limit, backward)


def _joined(where: JobFilter, value: sa.ColumnElement[Any], *, is_outer: bool = False) -> sa.Select[Any]:
    query = sa.select(*pages_of(value)).select_from(jobs).where(*conditions(where))
    return query.join(job_stats, job_stats.c.job_key == jobs.c.key, isouter=is_outer)


def _read(tx: sa.Connection, query: sa.Select[Any], limit: int, backward: bool) -> Found:
    if limit <= 0:
        return []
    found = placed(tx, query.limit(limit))
    return found[::-1] if backward else found
