"""Runs on the wire."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from scheduler_app.domain.attempt import PastAttempt
from scheduler_app.domain.job import ID_PATTERN
from scheduler_app.domain.run import MissedRange, Origin, Progress, Run, RunError, RunState
from scheduler_app.domain.task import NAME_PATTERN
from scheduler_app.schemas.fields import (
    AtMostWords,
    Commas,
    Cursor,
    Digits,
    JobId,
    Limit,
    QueryMoment,
    RunId,
    TaskName,
    WireIn,
    WireOut,
    words,
)
from scheduler_app.store.runs import RunFilter


class RunPath(WireIn):
    """The run that a path names."""

    run_id: RunId = Field(description="The id of the run.")


class LogQuery(WireIn):
    """Which part of a log is wanted."""

    offset: Annotated[int, Field(ge=0, le=10**15), Digits] = Field(
        0, description="Bytes to leave out; `next_offset` of the part before."
    )


RunSort = Literal["-id", "-finished_at", "-duration", "-lateness"]


class JobRunQuery(WireIn):
    """Which runs of one job a list shows."""

    state: Annotated[tuple[RunState, ...], Commas, AtMostWords, words("|".join(RunState))] = Field(
        default_factory=tuple, description="States, separated by commas."
    )
    origin: Annotated[tuple[Origin, ...], Commas, AtMostWords, words("|".join(Origin))] = Field(
        default_factory=tuple, description="Why the runs exist, separated by commas."
    )
    since: QueryMoment = Field(None, alias="from", description="Scheduled at this time or later.")
    until: QueryMoment = Field(None, alias="to", description="Scheduled before this time.")
    finished_from: QueryMoment = Field(None, description="Finished at this time or later.")
    finished_to: QueryMoment = Field(None, description="Finished before this time.")
    sort: RunSort = Field(
        "-id",
        description="The newest first (within `from` and `to`: due last; within `finished_from` and `finished_to`: "
        "finished last), or those that finished last; or the longest or latest among the newest 3,000 that ended (of "
        "the jobs or states, or else the time, that are asked for).",
    )
    cursor: Cursor = Field(None, description="`next_cursor` of the page before; it belongs to its filters and sort.")
    limit: Limit = Field(50, description="Most items on a page.")

    def of_job(self, job_id: str) -> RunFilter:
        """Return the filter for the runs of one job."""
        return RunFilter(
            states=self.state,
            job_ids=(job_id,),
            origins=self.origin,
            since=self.since,
            until=self.until,
            ended_since=self.finished_from,
            ended_until=self.finished_to,
            sort=self.sort,
        )


class RunQuery(JobRunQuery):
    """Which runs a list shows."""

    job_id: Annotated[tuple[JobId, ...], Commas, AtMostWords, words(ID_PATTERN)] = Field(
        default_factory=tuple, description="Ids of jobs, separated by commas; also of deleted ones."
    )
    task: Annotated[tuple[TaskName, ...], Commas, AtMostWords, words(NAME_PATTERN)] = Field(
        default_factory=tuple, description="Names of tasks, separated by commas."
    )

    def to_filter(self) -> RunFilter:
        """Return the filter as the store wants it."""
        return RunFilter(
            states=self.state,
            job_ids=self.job_id,
            tasks=self.task,
            origins=self.origin,
            since=self.since,
            until=self.until,
            ended_since=self.finished_from,
            ended_until=self.finished_to,
            sort=self.sort,
        )


class ProgressOut(WireOut):
    """How far a task says it is."""

    current: float
    total: float | None
    message: str | None


class RunErrorOut(WireOut):
    """How the last attempt failed."""

    type: str
    message: str
    traceback: str


class MissedOut(WireOut):
    """Firings that were not executed, as one range."""

    since: datetime = Field(alias="from", description="The first of them.")
    until: datetime = Field(alias="to", description="The last of them.")
    count: int | None = Field(description="How many; null above 10,000.")


class RunOut(WireOut):
    """A run: one execution wanted, or a range of firings that were missed."""

    id: int
    job_id: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    origin: Origin
    retry_of: int | None = Field(description="The run that this one retries.")
    parent: int | None = Field(description="The run whose end fired this one; its job comes `after` another one.")
    scheduled_at: datetime
    state: RunState
    reason: str | None = Field(description="Why it waits, was not executed, or ended so.")
    attempt: int
    max_attempts: int
    crashes: int
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    duration: float | None = Field(description="Seconds of the last attempt.")
    lateness: float | None = Field(description="Seconds from `scheduled_at` to `started_at`.")
    executor: str
    engine: int | None = Field(description="The engine that has, or had it last.")
    progress: ProgressOut | None
    result: Any
    error: RunErrorOut | None
    missed: MissedOut | None


class SameErrorOut(WireOut):
    """Which errors of the job are the same as this one."""

    key: str = Field(description="The same for errors of one type, with the same words but for numbers, in one place.")
    before: int = Field(description="How many runs before it, in a row, failed by the same; at most 200.")


class AttemptOut(WireOut):
    """An attempt that another one followed."""

    number: int
    state: str = Field(description="`failed`, `timed_out`, or `crashed`: what executed it died.")
    started_at: datetime
    finished_at: datetime
    duration: float = Field(description="Seconds.")
    error: str | None = Field(description="Its type and message, in one line.")


class RunDetailOut(RunOut):
    """A run, looked at by itself."""

    waits_for: str | None = Field(description="Which limit keeps a queued run from starting, and until when.")
    same_error: SameErrorOut | None = Field(description="Null when it has no error.")
    earlier_attempts: list[AttemptOut] = Field(description="Those that others followed, the first first.")


class RetriedOut(RunOut):
    """The run that does the work of another one once more."""

    warning: str | None = Field(description="What may be done twice, when the job is `at_most_once`.")


class RunList(WireOut):
    """A page of runs."""

    items: list[RunOut]
    next_cursor: str | None = Field(
        description="Give it as `cursor` for the next page; null on the last one. Where filters fit few of very many, "
        "a page may hold less than asked for, even nothing, and still go on."
    )


class LogOut(WireOut):
    """A part of what a run logged and printed."""

    run_id: int
    text: str
    offset: int = Field(description="Where the part begins, in bytes.")
    next_offset: int = Field(description="Where the next part begins.")
    size: int = Field(description="Bytes logged so far.")
    omitted: int = Field(description="Bytes of this part that were not kept: of a long log the middle is dropped.")
    complete: bool = Field(description="Whether nothing will follow.")


def render_run(run: Run) -> dict[str, Any]:
    """Return a run as `RunOut` says."""
    return {
        "id": run.id,
        "job_id": run.job_id,
        "task": run.task,
        "args": run.args,
        "kwargs": run.kwargs,
        "origin": run.origin,
        "retry_of": run.retry_of,
        "parent": run.parent,
        "scheduled_at": run.scheduled_at,
        "state": run.state,
        "reason": run.reason,
        "attempt": run.attempt,
        "max_attempts": run.max_attempts,
        "crashes": run.crashes,
        "queued_at": run.queued_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "duration": run.duration,
        "lateness": run.lateness,
        "executor": run.executor,
        "engine": run.engine,
        "progress": _progress(run.progress),
        "result": run.result,
        "error": _error(run.error),
        "missed": _missed(run.missed),
    }


def render_attempt(attempt: PastAttempt) -> dict[str, Any]:
    """Return an attempt as `AttemptOut` says."""
    return asdict(attempt) | {"duration": (attempt.finished_at - attempt.started_at).total_seconds()}


def _progress(progress: Progress | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    return {"current": progress.current, "total": progress.total, "message": progress.message}


def _error(error: RunError | None) -> dict[str, Any] | None:
    return None if error is None else {"type": error.type, "message": error.message, "traceback": error.traceback}


def _missed(missed: MissedRange | None) -> dict[str, Any] | None:
    return None if missed is None else {"from": missed.since, "to": missed.until, "count": missed.count}
