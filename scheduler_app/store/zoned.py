"""Jobs whose next time depends on the rules of time zones; read and moved when those rules change."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.job import JobState
from scheduler_app.domain.run import Origin
from scheduler_app.store.tables import jobs, runs

ZONED_TYPES = ("cron", "calendarinterval", "and", "or")


def batch(tx: sa.Connection, *, after: int, limit: int) -> Sequence[Any]:
    """Return waiting jobs with a wall clock in their trigger, by key."""
    columns = (jobs.c.key, jobs.c.id, jobs.c.trigger, jobs.c.state, jobs.c.next_run_time, jobs.c.version)
    return tx.execute(
        sa.select(*columns)
        .where(
            jobs.c.key > after,
            jobs.c.state.in_((JobState.ACTIVE, JobState.PAUSED)),
            jobs.c.next_run_time.is_not(None),
            jobs.c.trigger_type.in_(ZONED_TYPES),
        )
        .order_by(jobs.c.key)
        .limit(limit)
    ).all()


def last_firing(tx: sa.Connection, key: int) -> int | None:
    """Return the last time at which a job fired, or that a missed range of it names."""
    row = tx.execute(
        sa.select(runs.c.scheduled_at, runs.c.missed_until)
        .where(runs.c.job_key == key, sa.text("origin = :origin").bindparams(origin=Origin.SCHEDULE))
        .order_by(runs.c.scheduled_at.desc())
        .limit(1)
    ).first()
    return None if row is None else int(row.missed_until or row.scheduled_at)


def move(tx: sa.Connection, row: sa.Row[Any], next_run_time: int | None) -> bool:
    """Set when a job fires next, if it still stands as it was read; whether it did."""
    moved = tx.execute(
        jobs.update()
        .where(jobs.c.key == row.key, jobs.c.version == row.version, jobs.c.next_run_time == row.next_run_time)
        .values(next_run_time=next_run_time)
    )
    return moved.rowcount == 1
