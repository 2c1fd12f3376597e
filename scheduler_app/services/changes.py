"""Change a job by a JSON merge patch (RFC 7396): null puts a policy back to its default."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.policy import POLICY_NAMES, Overrides, Policies
from scheduler_app.domain.task import Registry
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import Fault, InvalidInput
from scheduler_app.services.admission import admit_arguments, admit_trigger, policies_of
from scheduler_app.store.rows import unreadable_because


@dataclass(frozen=True, kw_only=True)
class JobChanges:
    """What to change: `fields` are the ones given, of name, task, args, kwargs, trigger; `policies` likewise."""

    fields: dict[str, Any]
    policies: dict[str, Any]


def changed(job: Job, changes: JobChanges, *, registry: Registry, now: datetime) -> Job:
    """Return the job after the changes; InvalidInput when it could not be admitted like that."""
    fields = changes.fields
    task = registry.get(fields.get("task") or job.task)
    overrides = Overrides.model_validate(merged(_own_policies(job, task.overrides).given(), changes.policies))
    kwargs = merged(job.kwargs, fields.get("kwargs") or {})
    args, kwargs = admit_arguments(task, fields["args"] if fields.get("args") is not None else job.args, kwargs)
    after = replace(
        job,
        name=fields["name"] or task.name if "name" in fields else job.name,
        task=task.name,
        args=args,
        kwargs=kwargs,
        overrides=overrides,
        policies=policies_of(task, overrides, registry),
    )
    after = _readable_again(after, changes, now)
    return _with_trigger(after, fields["trigger"], now) if "trigger" in fields else after


def _own_policies(job: Job, defaults: Overrides) -> Overrides:
    """Return the policies that a job sets itself; where that is lost, those in force that are not the task's."""
    if "overrides" not in job.unreadable or "policies" in job.unreadable:
        return job.overrides
    usual = Policies.resolve(defaults)
    own = {name: getattr(job.policies, name) for name in POLICY_NAMES}
    return Overrides(**{name: value for name, value in own.items() if value != getattr(usual, name)})


def _readable_again(job: Job, changes: JobChanges, now: datetime) -> Job:
    """Drop what a change has mended from what is unreadable; only arguments and triggers cannot be told otherwise."""
    if not job.unreadable:
        return job
    lost = {"args", "kwargs", "trigger"} - changes.fields.keys()
    if {"overrides", "policies"} <= job.unreadable.keys() and not changes.policies:
        lost |= {"overrides", "policies"}
    left = {name: why for name, why in job.unreadable.items() if name in lost}
    created_at = now if "created_at" in job.unreadable else job.created_at
    next_run_time = job.next_run_time
    if "next_run_time" in job.unreadable and job.trigger is not None and "trigger" not in left:
        next_run_time = parse_trigger(job.trigger, now=now).after(now)
    return replace(
        job,
        unreadable=left,
        reason=unreadable_because(left) if left else None,
        created_at=created_at,
        next_run_time=next_run_time,
    )


def _with_trigger(job: Job, patch: dict[str, Any] | None, now: datetime) -> Job:
    if patch is None:
        raise InvalidInput.of(
            Fault(pointer="/trigger", detail="a trigger cannot be removed; pause the job, or delete it")
        )
    whole = patch if "type" in patch or job.trigger is None else merged(job.trigger, patch)
    trigger = admit_trigger(whole, now)
    keeps_state = job.state is JobState.PAUSED or job.unreadable
    state, reason = (job.state, job.reason) if keeps_state else (JobState.ACTIVE, None)
    return replace(job, trigger=dict(trigger.spec), next_run_time=trigger.first(now), state=state, reason=reason)


def merged(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return `target` with an RFC 7396 merge patch applied."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result
