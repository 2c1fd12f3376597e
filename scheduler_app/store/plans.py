"""What is planned, hour by hour, as an engine has reckoned it; and how much waited, minute by minute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.job import Job
from scheduler_app.store import facts
from scheduler_app.store.books import PLANS
from scheduler_app.store.claims import backlog
from scheduler_app.store.rows import job_of
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import forecast, job_stats, jobs, samples

RECKONED = "forecast"
MOST_OVERDUE = 10_000
BETWEEN = Statement(
    sa.select(forecast).where(forecast.c.at >= sa.bindparam("start"), forecast.c.at < sa.bindparam("end"))
)
CLEAR = Statement(forecast.delete().where(forecast.c.at >= sa.bindparam("since_")))
PRUNE = Statement(forecast.delete().where(forecast.c.at < sa.bindparam("before_")))
INSERT = Statement(forecast.insert(), columns=("at", "firings", "busy"))
FIRING = Statement(
    sa.select(jobs, job_stats.c.usual)
    .select_from(jobs.outerjoin(job_stats, job_stats.c.job_key == jobs.c.key))
    .where(
        jobs.c.key > sa.bindparam("after"),
        sa.text("scheduler_jobs.state IN ('active', 'paused') AND next_run_time IS NOT NULL"),
    )
    .order_by(jobs.c.key)
    .limit(sa.bindparam("most"))
)
_overdue = (
    sa.select(jobs.c.key)
    .where(sa.text("state = 'active' AND next_run_time IS NOT NULL"), jobs.c.next_run_time < sa.bindparam("before"))
    .limit(MOST_OVERDUE)
    .subquery()
)
OVERDUE = Statement(sa.select(sa.func.count().label("number")).select_from(_overdue))
_sample = postgresql.insert(samples)
SAMPLE = Statement(
    _sample.on_conflict_do_update(
        index_elements=["at"], set_={"backlog": _sample.excluded.backlog, "overdue": _sample.excluded.overdue}
    ),
    columns=("at", "backlog", "overdue"),
)
SAMPLES = Statement(sa.select(samples).where(samples.c.at >= sa.bindparam("since")).order_by(samples.c.at))
FORGET = Statement(samples.delete().where(samples.c.at < sa.bindparam("before_")))

# hour, then firings and busy seconds
Hours = Mapping[datetime, tuple[int, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """How many runs were queued, and how many jobs due and not fired, in a minute."""

    at: datetime
    backlog: int
    overdue: int


def read(tx: sa.Connection, start: datetime, end: datetime) -> dict[datetime, tuple[int, float]]:
    """Return what is planned in each hour that has anything."""
    rows = BETWEEN.rows(tx, start=to_micros(start), end=to_micros(end))
    return {from_micros(row.at): (row.firings, row.busy) for row in rows}


def reckoned_until(tx: sa.Connection) -> datetime | None:
    """Return up to when what is planned has been reckoned; None when it was never."""
    fact = facts.get(tx, RECKONED)
    return None if fact is None else from_micros(fact["until"])


def replace(tx: sa.Connection, hours: Hours, since: datetime, until: datetime) -> None:
    """Keep what is planned from an hour on, in place of what was."""
    CLEAR.run(tx, since_=to_micros(since))
    INSERT.many(tx, [{"at": to_micros(at), "firings": n, "busy": busy} for at, (n, busy) in hours.items()])
    facts.put(tx, RECKONED, {"until": to_micros(until)})


# a job that is added is told by its key, so that adding one writes nothing more
NEWEST = Statement(sa.select(sa.func.max(jobs.c.key)))


def version(tx: sa.Connection) -> Any:
    """Return what is another one after any change of jobs, or of the pause of everything."""
    return facts.get(tx, PLANS), facts.get(tx, facts.PAUSE), NEWEST.scalar(tx)


def firing(tx: sa.Connection, after: int, limit: int) -> Sequence[tuple[Job, int, float]]:
    """Return the next jobs that fire, by key: with how many firings they skip, and the seconds they usually take."""
    rows = FIRING.rows(tx, after=after, most=limit)
    return [(job_of(row), row.skip_count, (row.usual or 0) / 1e6) for row in rows]


def overdue(tx: sa.Connection, before: datetime) -> int:
    """Return how many jobs were due before a moment and have not fired; at most 10,000 are counted."""
    return int(OVERDUE.scalar(tx, before=to_micros(before)))


def sample(tx: sa.Connection, minute: datetime, before: datetime) -> None:
    """Keep how much waits now."""
    SAMPLE.run(tx, at=to_micros(minute), backlog=backlog(tx), overdue=overdue(tx, before))


def samples_since(tx: sa.Connection, moment: datetime) -> list[Sample]:
    """Return what was sampled since a moment."""
    rows = SAMPLES.rows(tx, since=to_micros(moment))
    return [Sample(at=from_micros(row.at), backlog=row.backlog, overdue=row.overdue) for row in rows]


def prune(tx: sa.Connection, before: datetime) -> None:
    """Delete what is older than a moment."""
    PRUNE.run(tx, before_=to_micros(before))
    FORGET.run(tx, before_=to_micros(before))
