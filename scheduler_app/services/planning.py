"""Fire a single job outside the pass: before it changes, and when a pause ends."""

from datetime import datetime

import sqlalchemy as sa

from scheduler_app.domain.due import missed_between
from scheduler_app.domain.firing import plan_firing
from scheduler_app.domain.job import Job
from scheduler_app.domain.run import Reason
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.store import firing, jobs


def catch_up(tx: sa.Connection, job: Job, now: datetime) -> Job:
    """Fire what is due by the trigger as it stands, so that a change takes no firing away."""
    due = firing.due_job(tx, job.key, now)
    if due is None:
        return job
    plan = plan_firing(parse_trigger(firing.trigger_of(due), now=now), due.next_run_time, due.policies, now)
    firing.record(tx, [(due, plan)], now)
    return jobs.find(tx, job.id) or job


def pass_over(tx: sa.Connection, job: Job, now: datetime, reason: Reason) -> datetime | None:
    """Record the firings of a job up to now as one missed range; return when it fires next."""
    if job.trigger is None or job.next_run_time is None or job.next_run_time > now:
        return job.next_run_time
    missed, following = missed_between(parse_trigger(job.trigger, now=now), job.next_run_time, now)
    if missed is not None:
        firing.insert_missed(tx, job, missed, reason, now)
    return following
