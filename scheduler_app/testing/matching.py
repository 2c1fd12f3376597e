"""Which runs and jobs a test means: of this task, with these arguments, at this time."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.run import OPEN_STATES, Run, RunState
from scheduler_app.domain.spec import nearest
from scheduler_app.domain.task import Task, to_json
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.services import jobs, runs
from scheduler_app.services.context import Context
from scheduler_app.store.jobs import JobFilter, JobPlace
from scheduler_app.store.runs import RunFilter, RunPlace

PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a test looks for; what is None may be anything. `arguments` are by parameter, and may be some of them."""

    task: Task
    arguments: Mapping[str, Any]
    at: datetime | None = None
    id: str | None = None

    def takes(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Whether a call's arguments are the wanted ones, given by place or by name."""
        found = {**_defaults(self.task), **by_parameter(self.task, args, kwargs)}
        return all(name in found and found[name] == value for name, value in self.arguments.items())

    def has_run(self, run: Run) -> bool:
        """Whether a run is meant."""
        times = (run.scheduled_at, run.ready_at, run.started_at)
        return (
            (self.id is None or run.job_id == self.id)
            and (self.at is None or self.at in times)
            and self.takes(run.args, run.kwargs)
        )

    def has_job(self, job: Job) -> bool:
        """Whether a job will fire, at the wanted time if there is one, and is meant."""
        if job.state is not JobState.ACTIVE or job.next_run_time is None or not self.takes(job.args, job.kwargs):
            return False
        return self.id in (None, job.id) and (self.at is None or fires_at(job, self.at))


def wanted(task: Task, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, **more: Any) -> Wanted:
    """Return what is looked for; TypeError when the task has no such parameters."""
    __tracebackhide__ = True
    _refuse_unknown(task, kwargs or {})
    return Wanted(
        task=task, arguments=by_parameter(task, to_json(list(args or [])), to_json(dict(kwargs or {}))), **more
    )


def by_parameter(task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by the name of their parameter, so that `send(7)` and `send(user_id=7)` are the same."""
    signature = inspect.signature(task.function)
    try:
        bound = signature.bind_partial(*args, **kwargs).arguments
    except TypeError:
        return {**{str(place): value for place, value in enumerate(args)}, **kwargs}
    named: dict[str, Any] = {}
    for name, value in bound.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            named |= value
        else:
            named[name] = list(value) if isinstance(value, tuple) else value
    return named


def _defaults(task: Task) -> dict[str, Any]:
    """Return what the parameters are that a call leaves out."""
    given = inspect.signature(task.function).parameters.values()
    return {parameter.name: parameter.default for parameter in given if parameter.default is not parameter.empty}


def moment(at: datetime | str | None) -> datetime | None:
    """Return a time in UTC; None for none."""
    return None if at is None else aware(at, "at=")


def aware(given: datetime | str, name: str = "") -> datetime:
    """Return a time, aware or ISO 8601 with an offset, in UTC; ValueError when it is none or has no zone."""
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else given
        zone = found.tzinfo
    except (ValueError, AttributeError):
        raise ValueError(f"{name}{given!r} is no time; give one like 2026-03-29T09:00:00+02:00") from None
    if zone is None:
        raise ValueError(f"{name}{given!r} has no zone; say which, as in 2026-03-29T09:00:00+02:00")
    return found.astimezone(UTC)


def fires_at(job: Job, at: datetime) -> bool:
    """Whether a job, as it stands, fires at exactly this time, be it next or later."""
    if job.next_run_time is None or job.trigger is None or at <= job.next_run_time:
        return at == job.next_run_time
    return parse_trigger(job.trigger, now=job.created_at).at_or_before(at) == at


def was_executed(run: Run) -> bool:
    """Whether an attempt of a run was made."""
    return run.attempt > 0 and run.state not in (RunState.MISSED, RunState.SKIPPED)


def waits(run: Run) -> bool:
    """Whether a run is still to start, or to start again."""
    return run.state in OPEN_STATES and run.state is not RunState.RUNNING


def runs_of(ctx: Context, *tasks: str) -> list[Run]:
    """Return all runs, of these tasks if any are given, the oldest first."""
    found: list[Run] = []
    after: RunPlace | None = None
    while True:
        page = runs.list_runs(RunFilter(tasks=tasks), after=after, limit=PAGE, ctx=ctx)
        found += page.runs
        after = page.after
        if after is None:
            return found[::-1]


def jobs_of(ctx: Context, *tasks: str) -> Iterator[Job]:
    """Yield all jobs that are not finished, of these tasks if any are given."""
    after: JobPlace | None = None
    while True:
        page = jobs.list_jobs(JobFilter(tasks=tasks), after=after, limit=PAGE, ctx=ctx)
        yield from page.jobs
        after = page.after
        if after is None:
            return


def _refuse_unknown(task: Task, kwargs: Mapping[str, Any]) -> None:
    __tracebackhide__ = True
    parameters = inspect.signature(task.function).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for name in kwargs:
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            raise TypeError(f"{task.name} has no parameter {name!r}{nearest(name, list(parameters))}; it has: {known}")
