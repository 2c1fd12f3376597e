"""Jobs that Python code defines: admitted with a next time of its own, replaced or removed as a whole."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.job import Job, JobSpec, JobState
from scheduler_app.domain.task import Registry
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import InvalidTrigger
from scheduler_app.services.admission import admit
from scheduler_app.services.context import Context
from scheduler_app.services.jobs import apply, create, delete, drop, find, told
from scheduler_app.services.planning import catch_up, close_books
from scheduler_app.services.trail import Note, noting
from scheduler_app.signals import JobChanged
from scheduler_app.store import jobs

Edit = Callable[[Job], Job]


@dataclass(frozen=True, kw_only=True)
class Start:
    """When a defined job fires first, other than its trigger says: at `at`, or not before it is resumed (None)."""

    at: datetime | None

    def apply(self, job: Job) -> Job:
        """Return the job with this start."""
        if self.at is None:
            return replace(job, state=JobState.PAUSED)
        return replace(job, state=JobState.ACTIVE, reason=None, next_run_time=self.at)


def define_job(spec: JobSpec, *, start: Start | None = None, replacing: bool = False, ctx: Context) -> Job:
    """Add a job that has a trigger; one of its id is replaced if `replacing`, else IdTaken."""
    now = ctx.clock.now()
    job = admit(spec, ctx.registry, now)
    job = job if start is None else start.apply(job)
    values = jobs.values_of(job)

    def work(tx: sa.Connection) -> Job:
        before = jobs.find(tx, job.id) if replacing else None
        if before is None:
            return create(tx, job, values, now=now, ctx=ctx)
        after = update(tx, brought_up(tx, before, job, now), job, now)
        noting(tx, ctx, now).job_changed(before, after)
        return after

    return told(ctx, ctx.database.write(work), "added", now)


def edit_job(job_id: str, edit: Edit, *, ctx: Context) -> Job:
    """Change a job, all of it or nothing. What is due by the old trigger fires first."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> Job:
        before = catch_up(tx, find(tx, job_id), now)
        after = edit(before)
        if after.trigger != before.trigger:
            close_books(tx, before, now)
        written = _write(tx, before, after, now)
        noting(tx, ctx, now).job_changed(before, written)
        return written

    return told(ctx, ctx.database.write(work), "changed", now)


def remove_job(job_id: str, *, ctx: Context) -> None:
    """Delete a job, whoever declares it; its history stays. NotFound when there is none of that id."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> Job:
        job = find(tx, job_id)
        noting(tx, ctx, now).job_deleted(job)
        return delete(tx, job, now)

    told(ctx, ctx.database.write(work), "deleted", now)


def remove_all(*, ctx: Context) -> int:
    """Delete every job; their history stays. Return how many there were."""
    now = ctx.clock.now()

    removed = ctx.database.write(lambda tx: remove_all_in(tx, now, note=noting(tx, ctx, now)))
    for job_id in removed:
        ctx.bus.publish(JobChanged(at=now, job_id=job_id, change="deleted"))
    return len(removed)


def brought_up(tx: sa.Connection, before: Job, after: Job, now: datetime) -> Job:
    """Fire what a job owes by now, before another one takes its place."""
    return close_books(tx, before, now) if after.trigger != before.trigger else catch_up(tx, before, now)


def update(tx: sa.Connection, before: Job, after: Job, now: datetime) -> Job:
    """Put a job in the place of another one of its id; a person's pause is kept."""
    paused = before.state is JobState.PAUSED and after.state is JobState.ACTIVE
    kept = replace(after, state=before.state, reason=before.reason, paused_until=before.paused_until)
    return _write(tx, before, kept if paused else after, now)


def remove(tx: sa.Connection, job_id: str, now: datetime, *, fires: bool = True, note: Note | None = None) -> bool:
    """Delete a job, after it has fired what it owes if that is ours to do; whether there was one."""
    job = jobs.find(tx, job_id)
    if job is not None:
        if note is not None:
            note.job_deleted(job)
        (delete if fires else drop)(tx, job, now)
    return job is not None


def remove_all_in(tx: sa.Connection, now: datetime, *, fires: bool = True, note: Note | None = None) -> list[str]:
    """Delete every job in a transaction and return their ids."""
    found = jobs.ids(tx)
    for job_id in found:
        remove(tx, job_id, now, fires=fires, note=note)
    return found


def _write(tx: sa.Connection, before: Job, after: Job, now: datetime) -> Job:
    return apply(tx, before, replace(after, key=before.key, created_at=before.created_at), now)


def admit_late(spec: JobSpec, registry: Registry, now: datetime) -> Job:
    """Admit a job, as finished when its `end_date` is past.

    APScheduler takes such a job, and a program that starts must not fail because time has passed.
    """
    try:
        return admit(spec, registry, now)
    except InvalidTrigger:
        trigger = _ended(spec.trigger, now)
        if trigger is None:
            raise
    job = admit(replace(spec, trigger=None), registry, now)
    return replace(job, trigger=trigger, state=JobState.FINISHED, reason=None)


def _ended(spec: dict[str, Any] | None, now: datetime) -> dict[str, Any] | None:
    """Return the normal form of a trigger whose window has ended; None when something else is wrong with it."""
    if spec is None or "end_date" not in spec:
        return None
    try:
        trigger = parse_trigger({**spec, "start_date": spec.get("start_date", spec["end_date"])}, now=now)
    except InvalidTrigger:
        return None
    return trigger.spec if trigger.first(now) is None else None
