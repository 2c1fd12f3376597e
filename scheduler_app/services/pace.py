"""Is the scheduler itself well? How late it fires, what waits, and whether everything that was due has fired."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.run import Run, RunState
from scheduler_app.services.context import Context
from scheduler_app.services.scheduler import SchedulerView
from scheduler_app.services.stats import OVERDUE_AFTER, Lag, Pulse, Punctuality, lag, pulse, punctuality
from scheduler_app.store import glance, jobs

HOURS = timedelta(hours=3)
MOST_WAITING = 200


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What the Scheduler page tells; `overdue` is the job that is overdue for the longest time."""

    now: datetime
    scheduler: SchedulerView
    lag: Lag
    punctuality: Punctuality
    overdue: Job | None
    waiting: Sequence[Run]
    pulses: Sequence[Pulse]


def read_pace(view: SchedulerView, *, ctx: Context) -> Pace:
    """Return how the scheduler itself does."""
    now = view.now
    with ctx.database.read() as tx:
        due = (job for job in jobs.soonest(tx, now - OVERDUE_AFTER, 1) if job.state is JobState.ACTIVE)
        waiting = [run for run in glance.waiting(tx, MOST_WAITING) if run.state is RunState.QUEUED]
    return Pace(
        now=now,
        scheduler=view,
        lag=lag(ctx=ctx),
        punctuality=punctuality(now, ctx=ctx),
        overdue=next(due, None),
        waiting=waiting,
        pulses=pulse(now - HOURS, now, ctx=ctx),
    )
