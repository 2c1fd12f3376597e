"""Admit a job: its task is registered, its arguments fit, its trigger fires at least once, its policies agree."""

import re
from datetime import datetime
from typing import Any

from scheduler_app.domain import trigger as triggers
from scheduler_app.domain.compact import parse
from scheduler_app.domain.job import ID_PATTERN, Job, JobSpec, JobState, is_job_id, new_job_id
from scheduler_app.domain.policy import ELSEWHERE, Delivery, Overrides, Policies
from scheduler_app.domain.task import Registry, Task, encode_arguments
from scheduler_app.domain.trigger import Trigger
from scheduler_app.errors import Fault, InvalidInput, InvalidTrigger


def admit(spec: JobSpec, registry: Registry, now: datetime) -> Job:
    """Return the job that a spec asks for; raises InvalidInput, naming every fault of the first wrong part."""
    job_id = new_job_id(now) if spec.id is None else spec.id
    if not is_job_id(job_id):
        detail = f"an id must match {ID_PATTERN}; got {job_id[:200]!r}{_usable(job_id)}"
        raise InvalidInput.of(Fault(pointer="/id", detail=detail))
    task = registry.get(spec.task)
    args, kwargs = admit_arguments(task, spec.args, spec.kwargs)
    trigger = None if spec.trigger is None else admit_trigger(spec.trigger, now)
    return Job(
        key=0,
        id=job_id,
        name=spec.name or task.name,
        task=task.name,
        args=args,
        kwargs=kwargs,
        trigger=None if trigger is None else trigger.spec,
        overrides=spec.overrides,
        policies=policies_of(task, spec.overrides, registry),
        state=JobState.ACTIVE,
        reason=None,
        next_run_time=None if trigger is None else trigger.first(now),
        paused_until=None,
        version=1,
        created_at=now,
        updated_at=now,
    )


def _usable(job_id: str) -> str:
    """Return the tail of a sentence that names an id like the one that was wanted."""
    like = re.sub(r"[^A-Za-z0-9._:-]+", "-", job_id[:190]).strip("-")
    return f"; {like!r} would do" if is_job_id(like) else ""


def admit_arguments(task: Task, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments as JSON values once the task's signature has accepted them."""
    texts = encode_arguments(args, kwargs)
    kept_args, kept_kwargs = parse(texts[0]), parse(texts[1])
    task.admit(kept_args, kept_kwargs)
    return kept_args, kept_kwargs


def admit_trigger(spec: dict[str, Any], now: datetime) -> Trigger:
    """Return the trigger, start dates filled in; InvalidTrigger when it never fires."""
    try:
        trigger = triggers.admit_trigger(spec, now=now)
    except InvalidTrigger as error:
        raise InvalidTrigger(error.detail, faults=[fault.under("/trigger") for fault in error.faults]) from None
    return trigger


def policies_of(task: Task, job: Overrides, registry: Registry) -> Policies:
    """Return the policies in force for a job of a task; InvalidInput also when it cannot run where they want it to."""
    policies = admit_policies(task.overrides, job)
    executor = policies.executor
    wrong = task.confined or registry.hindrance(executor) if executor in ELSEWHERE else None
    if wrong is not None:
        detail = f"task {task.name} cannot run with executor {executor}: {wrong}"
        raise InvalidInput.of(Fault(pointer="/executor", detail=detail))
    return policies


def admit_policies(task: Overrides, job: Overrides) -> Policies:
    """Return the policies in force; InvalidInput when they contradict each other."""
    policies = Policies.resolve(task, job)
    if policies.delivery is Delivery.AT_MOST_ONCE and policies.max_retries:
        raise InvalidInput.of(
            Fault(
                pointer="/max_retries",
                detail=f"delivery at_most_once needs max_retries 0, got {policies.max_retries}: a retry is a new start",
            )
        )
    return policies
