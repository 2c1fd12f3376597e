"""How many other jobs fire in the same minutes as one: of those that are due soonest, which bounds what it costs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.compact import compact
from scheduler_app.domain.firing import UNPLANNABLE
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.store import jobs

MOST_JOBS = 300
MINUTE = timedelta(minutes=1)


def others_at(tx: sa.Connection, job: Job, times: Sequence[datetime]) -> list[int]:
    """Return, for each of some firings of a job, in order, how many of the 300 jobs that are due first fire with it."""
    if not times:
        return []
    minutes = [time.replace(second=0, microsecond=0) for time in times]
    found = jobs.soonest(tx, minutes[-1] + MINUTE, MOST_JOBS + 1)
    counts = [0] * len(minutes)
    known: dict[str, list[bool]] = {}
    for other in found:
        if other.key == job.key or other.state is not JobState.ACTIVE or other.next_run_time is None:
            continue
        text = compact(other.trigger)
        # jobs of one cron expression fire together
        if text not in known:
            known[text] = _fires(other, minutes)
        for number, fires in enumerate(known[text]):
            counts[number] += fires and minutes[number] + MINUTE > other.next_run_time
    return counts


def _fires(job: Job, minutes: Sequence[datetime]) -> list[bool]:
    """Return whether a job's trigger fires in each of some minutes."""
    try:
        trigger = parse_trigger(job.trigger or {}, now=job.created_at)
        firings = [trigger.after(minute - MICROSECOND) for minute in minutes]
    except UNPLANNABLE:
        return [False] * len(minutes)
    return [at is not None and at < minute + MINUTE for at, minute in zip(firings, minutes, strict=True)]
