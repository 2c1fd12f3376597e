"""Bring a single job up to date outside the pass: before it changes, when a pause ends, when it is mended."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.domain.due import missed_between
from scheduler_app.domain.firing import UNPLANNABLE, FiringPlan, plan_firing, plan_held_back, plan_resume, uncomputable
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.run import Reason
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.store import dues, facts, firing, jobs, pauses
from scheduler_app.store.dues import DueJob, Unreadable

End = Callable[[sa.Connection, Job, FiringPlan, datetime], bool]


def catch_up(tx: sa.Connection, job: Job, now: datetime) -> Job:
    """Do what an engine would have done by now: end a pause that is over, fire what is due."""
    is_over = job.state is JobState.PAUSED and job.paused_until is not None and job.paused_until <= now
    if is_over:
        lapse(tx, job, now)
    due = dues.due_job(tx, job.key, now)
    if due is not None:
        fire_single(tx, due, paused_since=facts.paused_since(tx), now=now)
    return (jobs.find(tx, job.id) or job) if is_over or due is not None else job


def fire_single(tx: sa.Connection, due: DueJob | Unreadable, *, paused_since: datetime | None, now: datetime) -> None:
    """Fire what a job owes; what came due since everything was paused is recorded as missed instead."""
    if isinstance(due, Unreadable):
        firing.mark_broken(tx, due, due.why, now)
        return
    try:
        _fire(tx, due, paused_since, now)
    except UNPLANNABLE as error:
        firing.mark_broken(tx, due, uncomputable(error), now)


def _fire(tx: sa.Connection, due: DueJob, paused_since: datetime | None, now: datetime) -> None:
    trigger = parse_trigger(dues.trigger_of(due), now=now)
    until = now if paused_since is None else min(now, paused_since)
    following: datetime | None = due.next_run_time
    plan = None
    if due.next_run_time <= until:
        plan = plan_firing(trigger, due.next_run_time, due.policies, until, due.skip_count)
        following = plan.next_run_time
    missed = None
    if following is not None and following <= now:
        missed, following = missed_between(trigger, following, now)
    if plan is not None:
        firing.record(tx, [(due, plan)], now)
    if missed is not None:
        firing.insert_missed(tx, due, [(missed, Reason.PAUSED)], now)
        firing.advance(tx, due.key, following)
        jobs.finish_idle(tx, [due.key])


def close_books(tx: sa.Connection, job: Job, now: datetime) -> Job:
    """Catch up, and record what a pause or a fault has held back: its trigger will not be asked again."""
    job = catch_up(tx, job, now)
    reason = {JobState.PAUSED: Reason.PAUSED, JobState.BROKEN: Reason.BROKEN}.get(job.state)
    if reason is None:
        return job
    try:
        following = pass_over(tx, job, reason, now)
    except UNPLANNABLE:
        return job  # which firings it missed, nobody can tell
    return replace(job, next_run_time=following)


def pass_over(tx: sa.Connection, job: Job, reason: Reason, now: datetime) -> datetime | None:
    """Record the firings of a job up to now as one missed range; return when it fires next."""
    plan = plan_held_back(job, reason, now)
    firing.insert_missed(tx, job, plan.missed, now)
    return plan.next_run_time


def lapse(tx: sa.Connection, job: Job, now: datetime) -> None:
    """End a pause whose time has come."""
    resume(tx, job, now, end=pauses.lapse)


def resume(tx: sa.Connection, job: Job, now: datetime, *, end: End = pauses.end) -> None:
    """End a pause: now, or at the time when it was to end by itself. What it held back is one missed range."""
    try:
        plan = plan_resume(job, now)
    except UNPLANNABLE as error:
        firing.mark_broken(tx, job, uncomputable(error), now)
    else:
        end(tx, job, plan, now)


def mend(tx: sa.Connection, job: Job, now: datetime) -> Job:
    """Return a broken job as active if it can be computed again; what it would have fired is recorded."""
    try:
        following = pass_over(tx, job, Reason.BROKEN, now)
    except UNPLANNABLE as error:
        return replace(job, reason=uncomputable(error))
    return replace(job, state=JobState.ACTIVE, reason=None, next_run_time=following)
