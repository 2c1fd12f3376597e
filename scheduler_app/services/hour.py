"""One hour of the future, by minute and by job."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import SchedulerError
from scheduler_app.services.context import Context
from scheduler_app.store import jobs

HOUR = timedelta(hours=1)
MOST_JOBS = 1_000
MOST_FIRINGS = 3_600


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What a job has planned in the hour."""

    job: Job
    first: datetime
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HourDetail:
    """An hour: firings by minute, and jobs, the first one first; not `complete` when more jobs may fire in it."""

    at: datetime
    minutes: tuple[int, ...]
    shares: tuple[Share, ...]
    complete: bool


def read_hour(at: datetime, *, ctx: Context) -> HourDetail:
    """Return what the jobs that are due soonest have planned in the hour from `at` on."""
    with ctx.database.read() as tx:
        found = jobs.soonest(tx, at + HOUR, MOST_JOBS + 1)
    minutes, shares = [0] * 60, []
    for job in found[:MOST_JOBS]:
        times = _times(job, at)
        for time in times:
            minutes[int((time - at).total_seconds()) // 60] += 1
        if times:
            shares.append(Share(job=job, first=times[0], number=len(times)))
    shares.sort(key=lambda share: (share.first, -share.number, share.job.id))
    return HourDetail(at=at, minutes=tuple(minutes), shares=tuple(shares), complete=len(found) <= MOST_JOBS)


def _times(job: Job, at: datetime) -> Sequence[datetime]:
    if job.state is not JobState.ACTIVE or job.trigger is None or job.next_run_time is None:
        return ()
    try:
        return list(islice(_within(job, at), MOST_FIRINGS))
    except SchedulerError:
        return ()


def _within(job: Job, at: datetime) -> Iterator[datetime]:
    assert job.trigger is not None and job.next_run_time is not None
    trigger = parse_trigger(job.trigger, now=job.created_at)
    time = job.next_run_time if job.next_run_time >= at else trigger.after(at - MICROSECOND)
    while time is not None and time < at + HOUR:
        yield time
        time = trigger.after(time)
