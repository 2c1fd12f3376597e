"""Jobs in the order of what is kept of their runs: what they usually take, when they last failed. First those of which
it is known, by an index of that; then the others, by id."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from scheduler_app.store.tables import job_stats, jobs

KINDS = {"usual": job_stats.c.usual, "last_failure": job_stats.c.last_failure}
NOT_KNOWN = -(2**63)

# what the list is sorted by, and the id, of the last job shown
Place = tuple[int, str]


def page(
    tx: sa.Connection, query: sa.Select[Any], sort: str, *, after: Place | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Return the next jobs that a query of jobs selects, each with what it is `sorted_by`."""
    value, down = KINDS[sort.removeprefix("-")], sort.startswith("-")
    found: list[sa.Row[Any]] = []
    if after is None or after[0] != NOT_KNOWN:
        known = query.add_columns(value.label("sorted_by"))
        known = known.join(job_stats, job_stats.c.job_key == jobs.c.key).where(value.is_not(None))
        order = (value, jobs.c.id)
        if after is not None:
            here, there = sa.tuple_(*order), sa.tuple_(*after)
            known = known.where(here < there if down else here > there)
        known = known.order_by(*(column.desc() for column in order) if down else order)
        found += tx.execute(known.limit(limit))
        after = None
    if len(found) < limit:
        rest = query.add_columns(sa.literal(NOT_KNOWN, sa.BigInteger).label("sorted_by"))
        rest = rest.outerjoin(job_stats, job_stats.c.job_key == jobs.c.key).where(value.is_(None))
        if after is not None:
            rest = rest.where(jobs.c.id > after[1])
        found += tx.execute(rest.order_by(jobs.c.id).limit(limit - len(found)))
    return found
