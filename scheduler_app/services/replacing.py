"""Put a job: add it, or make the one that is there as it is wanted; doing that twice changes nothing more."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.job import Job, JobSpec, JobState
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import Fault, InvalidInput, SchedulerError, VersionMismatch
from scheduler_app.services import jobs as use_cases
from scheduler_app.services import ownership
from scheduler_app.services.admission import admit, admit_arguments, admit_trigger, policies_of
from scheduler_app.services.context import Context
from scheduler_app.services.planning import catch_up, close_books
from scheduler_app.services.trail import noting
from scheduler_app.store import jobs

FROM_THE_CLOCK = "start_date"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the caller expects to find: a job of a version, any job, or none."""

    version: int | None = None
    present: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Put:
    """The job as it is now, and whether it was added."""

    job: Job
    is_new: bool


ANYTHING = Expected()


def put_job(job_id: str, spec: JobSpec, *, expected: Expected = ANYTHING, from_code: bool = False, ctx: Context) -> Put:
    """Make a job what `spec` says, whether it is there or not; a paused job stays paused.

    A trigger that says the same as the present one is left alone, so that putting a job again moves no firing.
    VersionMismatch when the job is not as expected. What the code declares is changed `from_code` alone.
    """
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> tuple[Put, str | None]:
        job = _as_expected(jobs.find(tx, job_id), job_id, expected)
        if job is None:
            new = admit(replace(spec, id=job_id), ctx.registry, now)
            return Put(job=use_cases.create(tx, new, jobs.values_of(new), now=now, ctx=ctx), is_new=True), "added"
        keeps_trigger = _keeps_trigger(job, spec, now)
        job = catch_up(tx, job, now) if keeps_trigger else close_books(tx, job, now)
        wanted = _replaced(job, spec, ctx, now, keeps_trigger=keeps_trigger)
        if wanted == job:
            return Put(job=job, is_new=False), None
        if not from_code:
            ownership.refuse_change(tx, job, wanted)
        applied = use_cases.apply(tx, job, wanted, now)
        noting(tx, ctx, now).job_changed(job, applied)
        return Put(job=applied, is_new=False), "changed"

    put, change = ctx.database.write(work)
    if change is not None:
        use_cases.told(ctx, put.job, change, now)
    return put


def _as_expected(job: Job | None, job_id: str, expected: Expected) -> Job | None:
    if job is None and (expected.version is not None or expected.present):
        raise VersionMismatch(f"there is no job {job_id!r}, so no version of it; leave If-Match out to add it")
    if job is not None and expected.present is False:
        raise VersionMismatch(
            f"job {job_id!r} exists, version {job.version}; leave If-None-Match out to change it, or choose another id"
        )
    return job if job is None else use_cases.expect(job, expected.version)


def _keeps_trigger(job: Job, spec: JobSpec, now: datetime) -> bool:
    return spec.trigger is None or (job.state is not JobState.BROKEN and says_the_same(spec.trigger, job.trigger, now))


def _replaced(job: Job, spec: JobSpec, ctx: Context, now: datetime, *, keeps_trigger: bool) -> Job:
    """Return the job with everything that `spec` says; what it does not say goes back to its default."""
    task = ctx.registry.get(spec.task)
    args, kwargs = admit_arguments(task, spec.args, spec.kwargs)
    wanted = replace(
        job,
        name=spec.name or task.name,
        task=task.name,
        args=args,
        kwargs=kwargs,
        overrides=spec.overrides,
        policies=policies_of(task, spec.overrides, ctx.registry),
        unreadable={},
        created_at=now if "created_at" in job.unreadable else job.created_at,
    )
    if spec.trigger is None:
        return _without_trigger(wanted)
    if keeps_trigger:
        return wanted
    trigger = admit_trigger(spec.trigger, now)
    state, reason = (job.state, job.reason) if job.state is JobState.PAUSED else (JobState.ACTIVE, None)
    first = trigger.first(now)
    return replace(wanted, trigger=dict(trigger.spec), next_run_time=first, state=state, reason=reason)


def _without_trigger(job: Job) -> Job:
    """A one-off that was put again has had its run."""
    if job.trigger is not None:
        detail = "a trigger cannot be removed, and this job has one; pause the job, or delete it and add a one-off"
        raise InvalidInput.of(Fault(pointer="/trigger", detail=detail))
    return job


def says_the_same(wanted: Mapping[str, Any], present: Mapping[str, Any] | None, now: datetime) -> bool:
    """Whether a trigger that is wanted is the present one, whose start dates may be from the clock."""
    if present is None:
        return False
    try:
        return parse_trigger(_started_as(wanted, present), now=now).spec == present
    except SchedulerError:
        return False


def _started_as(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wanted trigger with the start dates of the present one where it names none: the clock gave those."""
    filled = dict(wanted)
    if filled.get(FROM_THE_CLOCK) is None and FROM_THE_CLOCK in present:
        filled[FROM_THE_CLOCK] = present[FROM_THE_CLOCK]
    parts, before = filled.get("triggers"), present.get("triggers")
    if isinstance(parts, list) and isinstance(before, list) and len(parts) == len(before):
        pairs = zip(parts, before, strict=True)
        filled["triggers"] = [_started_as(part, was) if isinstance(part, dict) else part for part, was in pairs]
    return filled
