"""What will run: the coming firings of a job, or of all jobs, and if there are none, why."""

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

import sqlalchemy as sa

from scheduler_app.clock import EPOCH, MICROSECOND, rfc3339
from scheduler_app.domain.after import lacking, parent_of
from scheduler_app.domain.due import firings
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.errors import SchedulerError
from scheduler_app.services.context import Context
from scheduler_app.services.jobs import find
from scheduler_app.store import dues, facts, jobs, orphans

PAUSED = "the whole scheduler is paused; POST /scheduler/resume lets it fire again"


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """When a job will run; `why` says what keeps it from running, or from running sooner."""

    job: Job
    next_run_times: list[datetime]
    why: str | None


@dataclass(frozen=True, kw_only=True)
class Upcoming:
    """Which jobs will run up to a time, the first one first; not `complete` when there were more firings than asked."""

    jobs: list[Forecast]
    until: datetime
    complete: bool
    why: str | None


def forecast(job_id: str, *, count: int, ctx: Context) -> Forecast:
    """Return the next `count` times at which a job will run, as things stand."""
    with ctx.database.read() as tx:
        job = find(tx, job_id)
        is_paused = facts.get(tx, facts.PAUSE) is not None
        skips = jobs.skips(tx, [job.key]).get(job.key, 0)
        is_orphan = orphans.is_unknown(tx, job.task)
    try:
        times = [] if is_paused else list(islice(running_times(job, skips), count))
    except SchedulerError as error:
        return Forecast(job=job, next_run_times=[], why=error.detail)
    why = PAUSED if is_paused else _why(job, skips, bool(times))
    return Forecast(job=job, next_run_times=times, why=why or (_nobody_knows(job) if is_orphan else None))


def _nobody_knows(job: Job) -> str:
    return f"no engine has registered the task {job.task}: its runs wait, queued, for one that has"


def upcoming(*, within: float, limit: int, ctx: Context) -> Upcoming:
    """Return what will run in the next `within` seconds, at most `limit` firings."""
    now = ctx.clock.now()
    until = now + timedelta(seconds=within)
    with ctx.database.read() as tx:
        if facts.get(tx, facts.PAUSE) is not None:
            return Upcoming(jobs=[], until=until, complete=True, why=PAUSED)
        found = {job.key: job for job in jobs.soonest(tx, until, limit + 1)}
        skips = jobs.skips(tx, list(found))
        why = None if found else _why_nothing(tx, until)
    streams = [_until(job, skips.get(job.key, 0), until) for job in found.values()]
    coming = list(islice(heapq.merge(*streams), limit + 1))
    times: dict[int, list[datetime]] = {}
    for at, key in coming[:limit]:
        times.setdefault(key, []).append(at)
    listed = [Forecast(job=found[key], next_run_times=at, why=None) for key, at in times.items()]
    nothing = None if listed else why or "the jobs that are due by then skip, or cannot compute, their next firings"
    return Upcoming(jobs=listed, until=until, complete=len(coming) <= limit, why=nothing)


def _until(job: Job, skips: int, until: datetime) -> Iterator[tuple[datetime, int]]:
    """Yield the times of a job up to a moment; a trigger that cannot be computed ends them, the others go on."""
    try:
        for at in running_times(job, skips):
            if at > until:
                return
            yield at, job.key
    except SchedulerError:
        return


def running_times(job: Job, skips: int) -> Iterator[datetime]:
    """Yield the firings of a job that will run: not those that its pause or its skips take away."""
    return islice(_times(job), skips, None)


def trigger_of(job: Job) -> Trigger:
    """Return the trigger of a job that has one; many pages ask for the same few hundred, again and again."""
    return _read(json.dumps(job.trigger))


@lru_cache(maxsize=4096)
def _read(text: str) -> Trigger:
    return parse_trigger(json.loads(text), now=EPOCH)  # what is stored is in normal form, so now does not matter


def _times(job: Job) -> Iterator[datetime]:
    resumes_at = job.paused_until if job.state is JobState.PAUSED else None
    fires = job.state is JobState.ACTIVE or resumes_at is not None
    if not fires or job.trigger is None or job.next_run_time is None:
        return
    trigger = trigger_of(job)
    if resumes_at is not None and job.next_run_time < resumes_at:
        yield from firings(trigger, resumes_at - MICROSECOND)  # the firing at the very end of a pause runs
        return
    yield job.next_run_time
    yield from firings(trigger, job.next_run_time)


def _why(job: Job, skips: int, has_times: bool) -> str | None:
    if job.state is JobState.PAUSED:
        because = f" ({job.reason})" if job.reason else ""
        end = "somebody resumes it" if job.paused_until is None else rfc3339(job.paused_until)
        return f"the job is paused until {end}{because}"
    if job.state is JobState.BROKEN:
        return f"the job is broken: {job.reason}; give it another trigger"
    if job.trigger is None:
        return "the job is a one-off: it has no trigger, so it runs again only by hand"
    if job.lacks_parent:
        return lacking(str(parent_of(job.trigger)))
    if parent_of(job.trigger) is not None:
        return f"it has no times of its own: {parse_trigger(job.trigger, now=job.created_at).describe()}"
    if job.state is JobState.FINISHED or job.next_run_time is None:
        return "the trigger has no firing left"
    if skips:
        return f"the next {skips} firings are skipped" + ("" if has_times else ", and there are no others")
    return None


def _why_nothing(tx: sa.Connection, until: datetime) -> str:
    following = dues.next_due(tx)
    if following is None:
        return "no active job has a firing left"
    return f"nothing is due until {rfc3339(until)}; the next job fires at {rfc3339(following)}"
