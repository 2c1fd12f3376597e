"""Read the jobs whose time has come, with what firing them needs."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.job import JobState
from scheduler_app.domain.policy import POLICY_NAMES, Policies
from scheduler_app.store.rows import READ_ERRORS, due_moment, policies_from, read_object, told
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import jobs
from scheduler_app.values import value

# what most jobs have need not be read to be known as JSON
NO_ARGS, NO_KWARGS = "[]", "{}"
NAMES = [column.name for column in jobs.columns]
POLICY_COLUMNS = slice(NAMES.index(POLICY_NAMES[0]), NAMES.index(POLICY_NAMES[-1]) + 1)
DUE = Statement(
    sa.select(jobs)
    .where(
        jobs.c.state == sa.literal_column("'active'"),
        jobs.c.next_run_time.is_not(None),
        jobs.c.next_run_time <= sa.bindparam("now"),
    )
    .order_by(jobs.c.next_run_time)
    .limit(sa.bindparam("most"))
)
IN_SHARE = Statement(DUE.select.where(jobs.c.key % sa.bindparam("shares") == sa.bindparam("number")))
NEXT_DUE = Statement(
    sa.select(jobs.c.next_run_time)
    .where(jobs.c.state == sa.literal_column("'active'"), jobs.c.next_run_time.is_not(None))
    .order_by(jobs.c.next_run_time)
    .limit(1)
)
DUE_JOB = Statement(
    sa.select(jobs).where(
        jobs.c.key == sa.bindparam("key_"),
        jobs.c.state == JobState.ACTIVE,
        jobs.c.next_run_time <= sa.bindparam("now_"),
    )
)


class Share(NamedTuple):
    """Of so many equal shares of all jobs the one of this number, from 0."""

    number: int
    shares: int


WHOLE = Share(0, 1)


@value
class DueJob:
    """What firing a job needs of it; `trigger`, `args` and `kwargs` are JSON text."""

    key: int
    id: str
    task: str
    args: str
    kwargs: str
    trigger: str
    policies: Policies
    next_run_time: datetime
    skip_count: int
    version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """A due job whose row cannot be read, and why."""

    key: int
    id: str
    version: int
    why: str


def due(tx: sa.Connection, now: datetime, limit: int, share: Share = WHOLE) -> list[DueJob | Unreadable]:
    """Return the jobs whose next time has come, those of a share, the longest overdue first."""
    statement, which = (DUE, {}) if share is WHOLE else (IN_SHARE, {"number": share.number, "shares": share.shares})
    return [readable(row) for row in statement.rows(tx, now=to_micros(now), most=limit, **which)]


def readable(row: Any) -> DueJob | Unreadable:
    """Return the job that a row holds, with what firing it needs, or why it cannot be read."""
    try:
        return _due_job(row)
    except READ_ERRORS as error:
        return Unreadable(key=row.key, id=row.id, version=row.version, why=f"its row cannot be read: {told(error)}")


def due_job(tx: sa.Connection, key: int, now: datetime) -> DueJob | Unreadable | None:
    """Return one job if it is active and due."""
    return next((readable(row) for row in DUE_JOB.rows(tx, key_=key, now_=to_micros(now))), None)


def _due_job(row: Any) -> DueJob:
    if row.args != NO_ARGS:
        read_object(row.args, list)
    if row.kwargs != NO_KWARGS:
        read_object(row.kwargs, dict)
    return DueJob(
        key=row.key,
        id=row.id,
        task=row.task,
        args=row.args,
        kwargs=row.kwargs,
        trigger=row.trigger,
        policies=policies_from(row[POLICY_COLUMNS]),
        next_run_time=from_micros(row.next_run_time),
        skip_count=row.skip_count,
        version=row.version,
    )


def next_due(tx: sa.Connection) -> datetime | None:
    """Return when the next job is due."""
    return due_moment(NEXT_DUE.scalar(tx))


def trigger_of(job: DueJob) -> dict[str, Any]:
    """Return the trigger of a due job as a JSON object."""
    return dict(json.loads(job.trigger))
