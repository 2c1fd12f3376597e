"""Change a job by a JSON merge patch (RFC 7396): null puts a policy back to its default."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.policy import Overrides
from scheduler_app.domain.task import Registry
from scheduler_app.errors import Fault, InvalidInput
from scheduler_app.services.admission import admit_arguments, admit_policies, admit_trigger


@dataclass(frozen=True, kw_only=True)
class JobChanges:
    """What to change: `fields` are the ones given, of name, task, args, kwargs, trigger; `policies` likewise."""

    fields: dict[str, Any]
    policies: dict[str, Any]


def changed(job: Job, changes: JobChanges, *, registry: Registry, now: datetime) -> Job:
    """Return the job after the changes; InvalidInput when it could not be admitted like that."""
    fields = changes.fields
    task = registry.get(fields.get("task") or job.task)
    overrides = Overrides.model_validate(merged(job.overrides.given(), changes.policies))
    kwargs = merged(job.kwargs, fields.get("kwargs") or {})
    args, kwargs = admit_arguments(task, fields["args"] if fields.get("args") is not None else job.args, kwargs)
    after = replace(
        job,
        name=fields["name"] or task.name if "name" in fields else job.name,
        task=task.name,
        args=args,
        kwargs=kwargs,
        overrides=overrides,
        policies=admit_policies(task.overrides, overrides),
    )
    return _with_trigger(after, fields["trigger"], now) if "trigger" in fields else after


def _with_trigger(job: Job, patch: dict[str, Any] | None, now: datetime) -> Job:
    if patch is None:
        raise InvalidInput.of(
            Fault(pointer="/trigger", detail="a trigger cannot be removed; pause the job, or delete it")
        )
    whole = patch if "type" in patch or job.trigger is None else merged(job.trigger, patch)
    trigger = admit_trigger(whole, now)
    state, reason = (job.state, job.reason) if job.state is JobState.PAUSED else (JobState.ACTIVE, None)
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
