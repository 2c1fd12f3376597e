"""A page of jobs in any of its orders, each read along an index of its own."""

from collections.abc import Callable

import sqlalchemy as sa

from scheduler_app.domain.job import Job
from scheduler_app.store import by_next, by_track, jobs
from scheduler_app.store.jobs import JobFilter, JobPlace

Found = list[tuple[Job, JobPlace]]
READERS: dict[str, Callable[..., Found]] = {
    "next_run_time": by_next.page,
    **{f"{sign}{kind}": by_track.page for kind in by_track.KINDS for sign in ("", "-")},
}


def page(tx: sa.Connection, where: JobFilter, *, after: JobPlace | None, limit: int, backward: bool = False) -> Found:
    """Return the jobs that fit, in order, beginning after a place; each with its own. `backward`: those before it."""
    read = READERS.get(where.sort, jobs.page)
    return read(tx, where, after=after, limit=limit, backward=backward)
