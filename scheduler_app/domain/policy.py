"""Policies: how a job behaves when it is late, still running or fails. The task gives defaults, the job overrides."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from scheduler_app.domain.printable import PRINTABLE, PrintableText
from scheduler_app.domain.spec import whole_number

MAX_TAGS = 100
LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100
SECONDS_IN_TEN_YEARS = 315_576_000


class Overlap(StrEnum):
    """What happens to a firing that finds its job busy."""

    QUEUE_ONE = "queue_one"
    QUEUE_ALL = "queue_all"
    SKIP = "skip"
    CANCEL_RUNNING = "cancel_running"


class Delivery(StrEnum):
    """What is promised when the engine of a run dies."""

    AT_LEAST_ONCE = "at_least_once"
    AT_MOST_ONCE = "at_most_once"


class Executor(StrEnum):
    """Where a run executes."""

    THREAD = "thread"
    PROCESS = "process"
    CELERY = "celery"


ELSEWHERE = frozenset({Executor.PROCESS, Executor.CELERY})


Seconds = Annotated[float, Field(strict=True, gt=0, le=SECONDS_IN_TEN_YEARS, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(strict=True, ge=0, le=SECONDS_IN_TEN_YEARS, allow_inf_nan=False)]
Whole = BeforeValidator(whole_number)
Tag = Annotated[str, Field(strict=True, min_length=1, max_length=64, json_schema_extra=PRINTABLE), PrintableText]
Key = Annotated[str, Field(strict=True, min_length=1, max_length=191, json_schema_extra=PRINTABLE), PrintableText]


class Overrides(BaseModel):
    """The policies that a task or a job sets itself; what is null keeps the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    misfire_grace_time: Seconds | None = Field(
        None, description="Seconds; a firing later than this is recorded `missed`. Null: never too late."
    )
    coalesce: Annotated[bool, Field(strict=True)] | None = Field(
        None, description="When several firings are due, only the latest runs. Default true."
    )
    max_instances: Annotated[int, Field(strict=True, ge=1, le=1000), Whole] | None = Field(
        None, description="Runs of the job at one time. Default 1."
    )
    overlap: Overlap | None = Field(None, description="When a firing finds the job busy. Default `queue_one`.")
    max_retries: Annotated[int, Field(strict=True, ge=0, le=1000), Whole] | None = Field(
        None, description="Further attempts after an exception. Default 0."
    )
    retry_delay: SecondsOrZero | None = Field(None, description="Seconds before the first retry. Default 5.")
    retry_backoff: Annotated[float, Field(strict=True, ge=1, le=100, allow_inf_nan=False)] | None = Field(
        None, description="Each further delay is this many times longer. Default 2."
    )
    retry_max_delay: Seconds | None = Field(None, description="Seconds; no retry waits longer. Default 3600.")
    retry_jitter: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="Share of the delay that is spread at random. Default 0.2."
    )
    timeout: Seconds | None = Field(None, description="Seconds for each attempt. Null: none.")
    delivery: Delivery | None = Field(None, description="Default `at_least_once`.")
    priority: Annotated[int, Field(strict=True, ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY), Whole] | None = Field(
        None, description="Larger first. Default 0."
    )
    concurrency_key: Key | None = Field(None, description="Runs of one key never overlap, across jobs.")
    tags: Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)] | None = Field(None, description="Words to filter by.")
    executor: Executor | None = Field(
        None,
        description="Where runs execute: in a thread of the engine, a process of its own, or a Celery worker. "
        "Default `thread`.",
    )

    def given(self) -> dict[str, Any]:
        """Return only what is set, as JSON values."""
        return self.model_dump(mode="json", exclude_none=True) if self.model_fields_set else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Policies:
    """The policies in force for a job: defaults, then its task's, then its own. Durations are seconds."""

    misfire_grace_time: float | None = None
    coalesce: bool = True
    max_instances: int = 1
    overlap: Overlap = Overlap.QUEUE_ONE
    max_retries: int = 0
    retry_delay: float = 5.0
    retry_backoff: float = 2.0
    retry_max_delay: float = 3600.0
    retry_jitter: float = 0.2
    timeout: float | None = None
    delivery: Delivery = Delivery.AT_LEAST_ONCE
    priority: int = 0
    concurrency_key: str | None = None
    tags: tuple[str, ...] = ()
    executor: Executor = Executor.THREAD

    @classmethod
    @lru_cache(maxsize=4096)
    def resolve(cls, *layers: Overrides) -> "Policies":
        """Lay the overrides over the defaults, the last one on top."""
        chosen: dict[str, Any] = {}
        for layer in layers:
            chosen |= {name: value for name in POLICY_NAMES if (value := getattr(layer, name)) is not None}
        return cls(**chosen)


POLICY_NAMES = tuple(Overrides.model_fields)
