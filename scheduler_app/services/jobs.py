"""What can be done with jobs."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import rfc3339, to_micros
from scheduler_app.domain.change import CODE, What, of_job
from scheduler_app.domain.compact import text_of
from scheduler_app.domain.job import Job, JobSpec, JobState, LastRun
from scheduler_app.domain.run import Origin, Reason, Run, RunState
from scheduler_app.errors import Conflict, Fault, IdTaken, InvalidInput, NotFound, VersionMismatch
from scheduler_app.failpoints import failpoint
from scheduler_app.services import ownership
from scheduler_app.services.admission import admit, admit_arguments
from scheduler_app.services.changes import JobChanges, changed
from scheduler_app.services.context import Context
from scheduler_app.services.parents import expect_parent
from scheduler_app.services.planning import catch_up, close_books, mend, resume
from scheduler_app.services.searching import searched
from scheduler_app.services.trail import noting
from scheduler_app.signals import JobChanged
from scheduler_app.store import jobs, orders, places, runs
from scheduler_app.store.firing import work_values
from scheduler_app.store.following import End, follow
from scheduler_app.store.jobs import JobPlace

SOON = timedelta(seconds=0.1)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Jobs in the order that was asked for; `after` continues the list, None when it is complete."""

    jobs: list[Job]
    after: JobPlace | None


def create_job(spec: JobSpec, *, ctx: Context) -> Job:
    """Add a job; without a trigger its one run is queued at once. IdTaken when the id is in use."""
    now = ctx.clock.now()
    job = admit(spec, ctx.registry, now)
    values = jobs.values_of(job)
    job = ctx.database.write(lambda tx: create(tx, job, values, now=now, ctx=ctx))
    failpoint("add.after_commit")
    return told(ctx, job, "added", now)


def create(tx: sa.Connection, job: Job, values: dict[str, Any], *, now: datetime, ctx: Context) -> Job:
    """Write an admitted job, and who added it. IdTaken when the id is in use; nothing is written then."""
    job = insert(tx, job, values, now)
    if job.trigger is not None:
        noting(tx, ctx, now).job_created(job)
    return job


def insert(tx: sa.Connection, job: Job, values: dict[str, Any], now: datetime) -> Job:
    """Write an admitted job, and the run of a one-off. IdTaken when the id is in use; nothing is written then."""
    expect_parent(tx, job)
    key = jobs.insert(tx, job, values)
    if key is None:
        raise taken(job.id)
    last_run = None
    if job.trigger is None:  # a new job has no other run, and so a place
        is_locked = places.locked(tx, [job.policies.concurrency_key])
        row = asked_row(job, Origin.ONCE, now, waits=Reason.BLOCKED if is_locked else None)
        last_run = LastRun(id=runs.insert(tx, row | {"job_key": key}), state=row["state"])
    failpoint("add.before_commit")
    return job.stored(key, last_run)


def taken(job_id: str) -> IdTaken:
    """Return the error of an id that is in use."""
    fault = Fault(pointer="/id", detail=f"a job with id {job_id!r} exists; choose another id or change that job")
    return IdTaken(fault.detail, faults=[fault])


def get_job(job_id: str, *, ctx: Context) -> Job:
    """Return a job; NotFound when there is none of that id."""
    with ctx.database.read() as tx:
        return find(tx, job_id)


def list_jobs(where: jobs.JobFilter, *, after: JobPlace | None, limit: int, ctx: Context) -> Page:
    """Return up to `limit` jobs, after a place in their order."""
    with ctx.database.read() as tx:
        found, further = orders.quick_page(tx, searched(tx, where).where, after=after, limit=limit)
    return Page(jobs=[job for job, _ in found], after=further)


def change_job(job_id: str, changes: JobChanges, *, version: int | None = None, ctx: Context) -> Job:
    """Change a job, all of it or nothing; a paused job stays paused. What is due by the old trigger fires first."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> Job:
        job = expect(find(tx, job_id), version)
        job = close_books(tx, job, now) if "trigger" in changes.fields else catch_up(tx, job, now)
        after = changed(job, changes, registry=ctx.registry, now=now)
        ownership.refuse_change(tx, job, after)
        applied = apply(tx, job, after, now)
        noting(tx, ctx, now).job_changed(job, applied)
        return applied

    return told(ctx, ctx.database.write(work), "changed", now)


def apply(tx: sa.Connection, before: Job, after: Job, now: datetime) -> Job:
    """Write a change, and all that follows from it: a mended job fires again, what waits lines up anew."""
    if after.trigger != before.trigger or after.next_run_time is not None:
        expect_parent(tx, after)
    if after.state is JobState.BROKEN and not after.unreadable:
        after = mend(tx, after, now)
    after = write_policies(tx, before, after, now)
    if after.next_run_time is None:
        jobs.finish_idle(tx, [after.key])
        return find(tx, after.id)
    return after


def write_policies(tx: sa.Connection, before: Job, after: Job, now: datetime) -> Job:
    """Write a job whose policies may have changed; what waits of it follows its `max_instances` and its key."""
    after = write(tx, before, after, now)
    old, new = before.policies, after.policies
    if (old.max_instances, old.concurrency_key) != (new.max_instances, new.concurrency_key):
        places.rearrange(tx, after.key, before=old.concurrency_key, after=new.concurrency_key, now=now)
    return after


def delete_job(job_id: str, *, version: int | None = None, ctx: Context) -> None:
    """Delete a job: its waiting runs are cancelled, running ones finish, its history stays."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> Job:
        job = expect(find(tx, job_id), version)
        ownership.refuse(tx, job.id)
        noting(tx, ctx, now).job_deleted(job)
        return delete(tx, job, now)

    told(ctx, ctx.database.write(work), "deleted", now)


def delete(tx: sa.Connection, job: Job, now: datetime) -> Job:
    """Delete a job in a transaction, once it has fired what it owes."""
    return drop(tx, close_books(tx, job, now), now)


def drop(tx: sa.Connection, job: Job, now: datetime) -> Job:
    """Delete a job as it is; what its `concurrency_key` held up may start."""
    cancelled = runs.cancel_waiting_of_job(tx, job.key, reason=Reason.JOB_DELETED, now=now)
    jobs.delete(tx, job.key)
    places.unblock(tx, [], [job.policies.concurrency_key], now)
    follow(tx, (End(run=run, job_id=job.id, state=RunState.CANCELLED, at=now) for run in cancelled), now)
    return job


def pause_job(job_id: str, *, reason: str | None, until: datetime | None = None, ctx: Context) -> Job:
    """Stop a job from firing, for good or until a time; running and queued runs go on.

    Pausing twice changes only what is given: the reason, the time.
    """
    now = ctx.clock.now()
    if until is not None and until <= now:
        detail = f"must be in the future: it is {rfc3339(now)}, got {rfc3339(until)}"
        raise InvalidInput.of(Fault(pointer="/until", detail=detail))

    def work(tx: sa.Connection) -> Job:
        job = catch_up(tx, find(tx, job_id), now)
        if job.state not in (JobState.ACTIVE, JobState.PAUSED):
            raise Conflict(f"job {job.id!r} is {job.state}; only an active job can be paused")
        paused = replace(
            job,
            state=JobState.PAUSED,
            reason=job.reason if reason is None else reason,
            paused_until=job.paused_until if until is None else until,
        )
        noting(tx, ctx, now).job_changed(job, paused, What.JOB_PAUSED)
        return job if paused == job else write(tx, job, paused, now)

    return told(ctx, ctx.database.write(work), "paused", now)


def resume_job(job_id: str, *, ctx: Context) -> Job:
    """Let a paused job fire again; what it would have fired meanwhile is one missed range, reason `paused`."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> Job:
        job = find(tx, job_id)
        if job.state is JobState.ACTIVE:
            return job
        if job.state is not JobState.PAUSED:
            raise Conflict(f"job {job.id!r} is {job.state}; only a paused job can be resumed")
        resume(tx, job, now)
        resumed = find(tx, job.id)
        noting(tx, ctx, now).job_changed(job, resumed, What.JOB_RESUMED)
        return resumed

    return told(ctx, ctx.database.write(work), "resumed", now)


def skip_firings(job_id: str, count: int, *, ctx: Context) -> Job:
    """Leave out the next `count` firings of a job, each recorded as `skipped`; 0 leaves out none."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> Job:
        job = catch_up(tx, find(tx, job_id), now)
        if job.state not in (JobState.ACTIVE, JobState.PAUSED):
            raise Conflict(f"job {job.id!r} is {job.state}; only what an active or paused job fires can be skipped")
        skipping = replace(job, skip_count=count)
        noting(tx, ctx, now).job_changed(job, skipping, What.JOB_SKIPPED)
        return job if skipping == job else write(tx, job, skipping, now)

    return told(ctx, ctx.database.write(work), "skipping", now)


def run_job(job_id: str, *, args: list[Any] | None = None, kwargs: dict[str, Any] | None = None, ctx: Context) -> Run:
    """Run a job now, through the executor, also when it is paused. Arguments that are given replace all of its own."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> Run:
        job = find(tx, job_id)
        if args is None and kwargs is None and {"args", "kwargs"} & job.unreadable.keys():
            raise Conflict(f"job {job.id!r} is broken: {job.reason}; change its arguments, or give some for this run")
        given = (args or [], kwargs or {}) if args is not None or kwargs is not None else (job.args, job.kwargs)
        checked = admit_arguments(ctx.registry.get(job.task), *given)
        asked = replace(job, args=checked[0], kwargs=checked[1])
        run_id = runs.insert(tx, by_hand(tx, asked, Origin.MANUAL, now))
        if ctx.actor.name != CODE:  # what code asks for is work, of which the run tells
            noting(tx, ctx, now).change(What.JOB_RUN, of_job(job.id), after={"run": run_id})
        run = runs.find(tx, run_id)
        assert run is not None
        return run

    run = ctx.database.write(work)
    ctx.wake()
    return run


def by_hand(tx: sa.Connection, job: Job, origin: Origin, now: datetime) -> dict[str, Any]:
    """Return the row of a run that no trigger asked for: it waits when its job is busy, it is never skipped."""
    policies = job.policies
    free = places.has_room(tx, job.key, most=policies.max_instances, concurrency_key=policies.concurrency_key)
    return asked_row(job, origin, now, waits=None if free else Reason.BLOCKED)


def asked_row(job: Job, origin: Origin, now: datetime, *, waits: Reason | None) -> dict[str, Any]:
    """Return the row of a run that somebody asked for: queued, or for a reason waiting."""
    return work_values(job.policies) | {
        "job_key": job.key,
        "job_id": job.id,
        "task": job.task,
        "args": text_of(job.args),
        "kwargs": text_of(job.kwargs),
        "origin": origin,
        "scheduled_at": to_micros(now),
        "ready_at": to_micros(now),
        "state": RunState.QUEUED if waits is None else RunState.SCHEDULED,
        "reason": waits,
        "queued_at": to_micros(now) if waits is None else None,
    }


def find(tx: sa.Connection, job_id: str) -> Job:
    """Return a job; NotFound when there is none of that id."""
    job = jobs.find(tx, job_id)
    if job is None:
        raise NotFound(f"there is no job {str(job_id)[:191]!r}")
    return job


def expect(job: Job, version: int | None) -> Job:
    """Return the job if it has the version that the caller read; None stands for any."""
    if version is not None and job.version != version:
        raise VersionMismatch(
            f"job {job.id!r} has version {job.version}, not {version}: read it again, then change what it is now"
        )
    return job


def write(tx: sa.Connection, before: Job, after: Job, now: datetime) -> Job:
    """Write a changed job, under the next version."""
    after = replace(after, version=before.version + 1, updated_at=now)
    jobs.update(tx, after, version=None if "version" in before.unreadable else before.version)
    if after.policies.tags != before.policies.tags or "policies" in before.unreadable:
        jobs.delete_tags(tx, after.key)
        jobs.insert_tags(tx, after.key, after.policies.tags)
    return after


def told(ctx: Context, job: Job, change: str, now: datetime) -> Job:
    """Announce a change and return the job.

    What is due within the watcher's next look wakes the engine, the rest it finds by itself.
    """
    if is_due_soon(job, now):
        ctx.wake()
    ctx.bus.publish(JobChanged(at=now, job_id=job.id, change=change))
    return job


def is_due_soon(job: Job, now: datetime) -> bool:
    """Whether there is something to do for a job before the engines look by themselves."""
    return job.next_run_time is None or job.next_run_time <= now + SOON
