"""Jobs on the wire."""

from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import to_jsonable_python

from scheduler_app.domain.after import lacking, parent_of
from scheduler_app.domain.job import NO_OVERRIDES, Job, JobSpec, JobState
from scheduler_app.domain.policy import POLICY_NAMES, Delivery, Executor, Overlap, Overrides, Policies, Tag, Whole
from scheduler_app.domain.task import NAME_PATTERN
from scheduler_app.domain.trigger import KINDS
from scheduler_app.schemas.fields import (
    AtMostWords,
    Commas,
    Cursor,
    JobId,
    Limit,
    Moment,
    Name,
    Prefix,
    QueryMoment,
    Reason,
    TaskName,
    TriggerType,
    WireIn,
    WireOut,
    words,
)
from scheduler_app.schemas.shapes import TriggerSpec
from scheduler_app.store.jobs import JobFilter

MOST_SKIPPED = 1000
TAG_PATTERN = r"[^,\u0000-\u001f\u007f-\u009f\u2028\u2029]{1,64}"
NEW_JOB: JsonDict = {
    "id": "nightly-report",
    "task": "send_report",
    "kwargs": {"user_id": 7},
    "trigger": {"type": "cron", "expression": "0 3 * * *", "timezone": "Europe/Berlin"},
    "max_retries": 3,
    "tags": ["reports"],
}
ONE_OFF: JsonDict = {"task": "send_report", "kwargs": {"user_id": 7}}
A_PATCH: JsonDict = {"trigger": {"type": "interval", "hours": 1}, "timeout": None}


class JobPath(WireIn):
    """The job that a path names."""

    job_id: JobId = Field(description="The id of the job.", examples=["nightly-report"])


class JobContent(WireIn):
    """What a job is, but for its policies."""

    id: JobId | None = Field(None, description="Chosen by the caller; otherwise a UUIDv7.")
    name: Name | None = Field(None, description="For people. Default: the name of the task.")
    task: TaskName = Field(description="The registered task that the job runs.")
    args: list[Any] = Field(default_factory=list, description="Positional arguments, any JSON.")
    kwargs: dict[str, Any] = Field(default_factory=dict, description="Arguments by name, any JSON.")
    trigger: TriggerSpec | None = Field(
        None, description="When the job fires. Without a trigger it is a one-off that runs now."
    )


class JobIn(Overrides, JobContent):
    """A job to add. A policy that is left out or null keeps the default of its task."""

    model_config = ConfigDict(json_schema_extra={"examples": [NEW_JOB, ONE_OFF]})

    def to_spec(self) -> JobSpec:
        """Return what the caller asks for."""
        return JobSpec(
            task=self.task,
            id=self.id,
            name=self.name,
            args=self.args,
            kwargs=self.kwargs,
            trigger=self.trigger,
            overrides=self._overrides(),
        )

    def _overrides(self) -> Overrides:
        """Return the policies that were given; most jobs give none."""
        given = {name: getattr(self, name) for name in self.model_fields_set.intersection(POLICY_NAMES)}
        return Overrides.model_construct(**given) if given else NO_OVERRIDES


class JobContentPatch(WireIn):
    """What can be changed of a job, but for its policies."""

    name: Name | None = Field(None, description="Null: the name of the task.")
    task: TaskName = Field("", description="Another registered task.")
    args: list[Any] = Field(default_factory=list, description="Replaces all positional arguments.")
    kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Merged into the arguments by name; null removes one."
    )
    trigger: TriggerSpec | None = Field(
        None, description="With `type` a new trigger, without it merged into the present one."
    )


class JobPatch(Overrides, JobContentPatch):
    """A JSON merge patch (RFC 7396) of a job. Null puts a policy back to its default."""

    model_config = ConfigDict(json_schema_extra={"examples": [A_PATCH]})

    def content(self) -> dict[str, Any]:
        """Return the fields that were given and are no policies."""
        return {name: getattr(self, name) for name in self.model_fields_set.difference(POLICY_NAMES)}

    def policies(self) -> dict[str, Any]:
        """Return the policies that were given, as JSON values."""
        return self.model_dump(mode="json", include=self.model_fields_set.intersection(POLICY_NAMES))


class JobPauseIn(WireIn):
    """Why a job is paused, and until when."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"until": "2031-01-31T09:00:00Z", "reason": "the printer is on fire"}, {}]}
    )

    until: Moment | None = Field(None, description="When it resumes by itself; a time in the future.")
    reason: Reason | None = Field(None, description="Shown to whoever wonders. At most 1 KiB.")


class SkipIn(WireIn):
    """How many firings to leave out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 1}]})

    count: Annotated[int, Field(strict=True, ge=0, le=MOST_SKIPPED), Whole] = Field(
        description="Sets how many of the next firings are recorded as `skipped`; 0: none."
    )


class PauseIn(WireIn):
    """Why something is paused."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "the printer is on fire"}]})

    reason: Reason | None = Field(None, description="Shown to whoever wonders. At most 1 KiB.")


class RunNowIn(WireIn):
    """Arguments for one run by hand. If any are given they replace all of the job's."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kwargs": {"user_id": 8}}, {}]})

    args: list[Any] | None = Field(None, description="Positional arguments, any JSON.")
    kwargs: dict[str, Any] | None = Field(None, description="Arguments by name, any JSON.")


class JobChoice(WireIn):
    """Which jobs are meant: those that fit every field that is given, and one of its values."""

    state: Annotated[tuple[JobState, ...], Commas, AtMostWords, words("|".join(JobState))] = Field(
        default_factory=tuple, description="States, separated by commas. Without it all but `finished`."
    )
    task: Annotated[tuple[TaskName, ...], Commas, AtMostWords, words(NAME_PATTERN)] = Field(
        default_factory=tuple, description="Names of tasks, separated by commas."
    )
    tag: Annotated[tuple[Tag, ...], Commas, AtMostWords, words(TAG_PATTERN)] = Field(
        default_factory=tuple, description="Tags, separated by commas; a job with any of them fits."
    )
    trigger: Annotated[tuple[TriggerType, ...], Commas, AtMostWords, words("|".join(sorted(KINDS)))] = Field(
        default_factory=tuple, description="Types of triggers, separated by commas."
    )
    next_run_before: QueryMoment = Field(None, description="Active jobs that fire before this time.")
    q: Prefix | None = Field(None, description="What the id or the name begins with.")

    def to_filter(self) -> JobFilter:
        """Return the filter as the store wants it."""
        return JobFilter(
            states=self.state,
            tasks=self.task,
            tags=self.tag,
            triggers=self.trigger,
            next_run_before=self.next_run_before,
            prefix=self.q,
        )


JobSort = Literal[
    "id",
    "-id",
    "next_run_time",
    "-next_run_time",
    "updated_at",
    "-updated_at",
    "usual",
    "-usual",
    "last_failure",
    "-last_failure",
]


class JobQuery(JobChoice):
    """Which jobs a list shows, and in which order."""

    search: Prefix | None = Field(
        None,
        description="Words in the id, the name, the task or a tag. Of more than 20,000 jobs only those of which one of "
        "these begins so, in the same case; the first 250 by each.",
    )
    sort: JobSort = Field("id", description="With `-` the largest first. Jobs without such a value come last.")
    cursor: Cursor = Field(None, description="`next_cursor` of the page before; it belongs to its filters and sort.")
    limit: Limit = Field(50, description="Most items on a page.")

    def to_filter(self) -> JobFilter:
        """Return the filter and the order as the store wants them."""
        return replace(super().to_filter(), sort=self.sort, words=self.search)


class LastRunOut(WireOut):
    """The newest run of a job."""

    id: int
    state: str
    href: str = Field(description="Where the run is.")


class PausedOut(WireOut):
    """Until when and why a job is paused."""

    until: datetime | None = Field(description="When it resumes by itself; null: never.")
    reason: str | None


class JobOut(WireOut):
    """A job, with the policies in force."""

    id: str
    name: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    trigger: dict[str, Any] | None = Field(description="In normal form; null for a one-off.")
    executor: Executor
    state: JobState
    reason: str | None = Field(description="Why the job is broken.")
    next_run_time: datetime | None = Field(
        description="Null when it will not fire: paused, finished, broken; or nobody knows when: after a run."
    )
    last_run: LastRunOut | None
    tags: list[str]
    misfire_grace_time: float | None = Field(description="Seconds.")
    coalesce: bool
    max_instances: int
    overlap: Overlap
    max_retries: int
    retry_delay: float = Field(description="Seconds.")
    retry_backoff: float
    retry_max_delay: float = Field(description="Seconds.")
    retry_jitter: float
    timeout: float | None = Field(description="Seconds.")
    delivery: Delivery
    priority: int
    concurrency_key: str | None
    version: int = Field(description="Raised by each change; the ETag.")
    created_at: datetime
    updated_at: datetime
    paused: PausedOut | None
    skip_count: int = Field(description="How many of its next firings will be skipped, as asked for.")
    warning: str | None = Field(description="Why it can never fire: it comes after a job that there is not.")


class JobList(WireOut):
    """A page of jobs."""

    items: list[JobOut]
    next_cursor: str | None = Field(
        description="Give it as `cursor` for the next page; null on the last one. Where filters fit few of very many, "
        "a page may hold less than asked for, even nothing, and still go on."
    )


@lru_cache(maxsize=1024)
def _shown(policies: Policies) -> dict[str, Any]:
    """Return policies as JSON values; many jobs have the same."""
    shown: dict[str, Any] = to_jsonable_python(policies)
    return shown


def render_job(job: Job, runs_root: str) -> dict[str, Any]:
    """Return a job as `JobOut` says; `runs_root` is where the runs are."""
    last, paused = job.last_run, job.state is JobState.PAUSED
    return {
        "id": job.id,
        "name": job.name,
        "task": job.task,
        "args": job.args,
        "kwargs": job.kwargs,
        "trigger": job.trigger,
        "state": str(job.state),
        "reason": job.reason if job.state is JobState.BROKEN else None,
        "next_run_time": job.next_run_time if job.state is JobState.ACTIVE else None,
        "last_run": None if last is None else {"id": last.id, "state": last.state, "href": f"{runs_root}/{last.id}"},
        **_shown(job.policies),
        "version": job.version,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "paused": {"until": job.paused_until, "reason": job.reason} if paused else None,
        "skip_count": job.skip_count,
        "warning": lacking(str(parent_of(job.trigger))) if job.lacks_parent else None,
    }
