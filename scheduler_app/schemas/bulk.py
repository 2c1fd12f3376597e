"""Many jobs in one call, on the wire."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.config import JsonDict

from scheduler_app.domain.job import JobState
from scheduler_app.domain.policy import Tag
from scheduler_app.domain.printable import PRINTABLE
from scheduler_app.domain.task import NAME_PATTERN
from scheduler_app.domain.trigger import KINDS
from scheduler_app.schemas.fields import (
    AtMostWords,
    Commas,
    JobId,
    Reason,
    TaskName,
    TriggerType,
    WireIn,
    WireOut,
    words_or_list,
)
from scheduler_app.schemas.job import NEW_JOB, ONE_OFF, TAG_PATTERN, JobChoice, JobOut
from scheduler_app.schemas.problem import Problem
from scheduler_app.schemas.run import RunOut

MOST_JOBS = 1000
CHOICES = tuple(JobChoice.model_fields)
AN_ACTION: JsonDict = {"action": "pause", "ids": ["nightly-report"], "reason": "the printer is on fire"}
BY_FILTER: JsonDict = {"action": "run", "filter": {"tag": ["reports"], "state": ["active"]}}

Items = Annotated[list[Any], Field(min_length=1, max_length=MOST_JOBS)]


class BatchIn(WireIn):
    """Jobs to add, each as `POST /jobs` takes it; what is wrong with one is told in its place of the answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"jobs": [NEW_JOB, ONE_OFF]}]})

    jobs: Items = Field(description="1 to 1,000 jobs, each as `POST /jobs` takes it (`JobIn`).")


class BatchItemOut(WireOut):
    """What became of one job: the answer that `POST /jobs` would have given."""

    status: int = Field(description="201 added, 202 runs once, or the status of the problem.")
    job: JobOut | None
    problem: Problem | None


class BatchOut(WireOut):
    """One result for each job, in their order."""

    items: list[BatchItemOut]


def _enum(values: Iterable[str]) -> JsonDict:
    return {"type": "string", "enum": [str(value) for value in values]}


A_NAME: JsonDict = {"type": "string", "pattern": NAME_PATTERN}
A_TAG: JsonDict = {"type": "string", "minLength": 1, "maxLength": 64, **PRINTABLE}


class JobFilterIn(JobChoice):
    """Which jobs are meant, as in `GET /jobs`; several values in a list, or separated by commas."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    state: Annotated[tuple[JobState, ...], Commas, AtMostWords, words_or_list("|".join(JobState), _enum(JobState))] = ()
    task: Annotated[tuple[TaskName, ...], Commas, AtMostWords, words_or_list(NAME_PATTERN, A_NAME)] = ()
    tag: Annotated[tuple[Tag, ...], Commas, AtMostWords, words_or_list(TAG_PATTERN, A_TAG)] = ()
    trigger: Annotated[
        tuple[TriggerType, ...], Commas, AtMostWords, words_or_list("|".join(sorted(KINDS)), _enum(sorted(KINDS)))
    ] = ()


class ActionsIn(WireIn):
    """What to do, and with which jobs: `ids` or `filter`, one of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [AN_ACTION, BY_FILTER],
            "oneOf": [{"required": ["ids"]}, {"required": ["filter"], "properties": {"filter": {"type": "object"}}}],
            "anyOf": [{"properties": {"action": {"enum": ["pause"]}}}, {"properties": {"reason": {"type": "null"}}}],
        }
    )

    action: Literal["pause", "resume", "run", "delete"]
    ids: Annotated[list[JobId], Field(min_length=1, max_length=MOST_JOBS)] = Field(
        default_factory=list, description="Up to 1,000 ids."
    )
    filter: JobFilterIn | None = Field(
        None, description="As in `GET /jobs`; at least one field. The first 1,000 jobs that fit, by id, are acted on."
    )
    reason: Reason | None = Field(None, description="Why they are paused.")

    @field_validator("filter")
    @classmethod
    def _names_something(cls, choice: JobFilterIn | None) -> JobFilterIn | None:
        if choice is not None and not choice.model_fields_set:
            raise ValueError("must name something, or it would mean every job; allowed are " + ", ".join(CHOICES))
        return choice

    @field_validator("reason")
    @classmethod
    def _belongs_to_a_pause(cls, reason: str | None, info: ValidationInfo) -> str | None:
        if reason is not None and info.data.get("action") not in (None, "pause"):
            raise ValueError("belongs to the action 'pause' alone")
        return reason

    @model_validator(mode="after")
    def _one_choice(self) -> "ActionsIn":
        if bool(self.ids) == (self.filter is not None):
            raise ValueError("give 'ids' or 'filter', one of them")
        return self


class ActionItemOut(WireOut):
    """What became of one job."""

    id: str
    status: int = Field(description="What the single call would have answered.")
    job: JobOut | None = Field(description="The job, paused or resumed.")
    run: RunOut | None = Field(description="The run that was queued.")
    problem: Problem | None


class ActionsOut(WireOut):
    """One result for each job that was acted on."""

    matched: int = Field(description="How many jobs were meant; above 1,000 the rest needs another call.")
    items: list[ActionItemOut]
