"""A job of ours in the clothes of APScheduler's `Job`."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from apscheduler.job import Job as ApsJob
from apscheduler.triggers.date import DateTrigger

from scheduler_app.aps.triggers import from_spec, zone_of
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.task import Task, to_json
from scheduler_app.errors import Fault, InvalidArguments, SchedulerError

EXECUTOR = "default"


class StoredJob(ApsJob):  # type: ignore[misc]
    """A job as it was when it was read; `record` is ours, whose other fields can be asked for here too.

    What is not there as it is put together when it is asked for: few who add a job do.
    """

    record: Job
    _task: Task | None
    id: str
    name: str
    func: Callable[..., Any] | None
    func_ref: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    trigger: Any
    coalesce: bool
    max_instances: int
    misfire_grace_time: float | None
    next_run_time: datetime | None

    def __getattr__(self, name: str) -> Any:
        """Return what our job has and APScheduler's has not: `state`, `last_run`, `version` and so on."""
        if name in ("record", "_task", "__setstate__"):
            raise AttributeError(name)
        if name not in MADE:
            return getattr(self.record, name)
        setattr(self, name, MADE[name](self.record, self._task))
        return getattr(self, name)

    def __hash__(self) -> int:
        return hash(self.id)


def dressed(record: Job, task: Task | None, *, scheduler: Any, alias: str) -> StoredJob:
    """Return our job as one of APScheduler's; without its task it has no `func`."""
    job = StoredJob.__new__(StoredJob)
    job._scheduler = scheduler
    job._jobstore_alias = alias
    job.record = record
    job._task = task
    return job


def _args(record: Job, task: Task | None) -> tuple[Any, ...]:
    return tuple(_bound(record, task)[0])


def _kwargs(record: Job, task: Task | None) -> dict[str, Any]:
    return _bound(record, task)[1]


def _bound(record: Job, task: Task | None) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments as the task's types want them; as they are kept without it, or where they do not fit."""
    try:
        return (record.args, record.kwargs) if task is None else _typed(task, record.args, record.kwargs)
    except SchedulerError:
        return record.args, record.kwargs


def _next_run_time(record: Job, _task: Task | None) -> datetime | None:
    due = record.next_run_time if record.state is JobState.ACTIVE else None
    return None if due is None else due.astimezone(zone_of(record.trigger))


def _typed(task: Task, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments as the function's types want them, without the defaults of those that are not given."""
    typed_args, typed_kwargs = task.bind(args, kwargs)
    return typed_args[: len(args)], {name: typed_kwargs[name] for name in kwargs if name in typed_kwargs}


def _trigger(record: Job, _task: Task | None) -> Any:
    """Return the trigger; a job without one ran once, when it was made, and a broken one may have none to show."""
    if record.trigger is None:
        return DateTrigger(run_date=record.created_at)
    try:
        return from_spec(record.trigger, now=record.updated_at)
    except SchedulerError:
        return None


def _seconds(value: float | None) -> float | int | None:
    return int(value) if value is not None and value == int(value) else value


MADE: dict[str, Callable[[Job, Task | None], Any]] = {
    "id": lambda record, _: record.id,
    "name": lambda record, _: record.name,
    "func": lambda _, task: None if task is None else task.function,
    "func_ref": lambda record, _: record.task,
    "args": _args,
    "kwargs": _kwargs,
    "trigger": _trigger,
    "executor": lambda _record, _task: EXECUTOR,
    "coalesce": lambda record, _: record.policies.coalesce,
    "max_instances": lambda record, _: record.policies.max_instances,
    "misfire_grace_time": lambda record, _: _seconds(record.policies.misfire_grace_time),
    "next_run_time": _next_run_time,
}


def as_json(task: Task, args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments as JSON; InvalidArguments when the function would get back something else than was given."""
    if not args and not kwargs:
        task.admit([], {})
        return [], {}
    given = _plain(list(args)), _plain(dict(kwargs))
    kept = to_json(given[0]), to_json(given[1])
    task.bind(*kept)
    if kept != given and _typed(task, *kept) != given:
        detail = (
            f"arguments of {task.name}: they are kept as JSON, and would come back as something else; "
            "annotate the parameters with their types, or give plain values"
        )
        raise InvalidArguments(detail, faults=[Fault(pointer="/kwargs", detail=detail)])
    return kept


def _plain(value: Any) -> Any:
    """Return tuples as the lists that JSON has for them."""
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
