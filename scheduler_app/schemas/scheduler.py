"""The scheduler as a whole on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from scheduler_app.domain.policy import Executor
from scheduler_app.schemas.fields import Digits, WireIn, WireOut
from scheduler_app.store.engines import EngineRow, EngineState

LARGEST_ENGINE_ID = 2**31 - 1


class PauseOut(WireOut):
    """Since when and why nothing fires."""

    since: datetime
    reason: str | None
    by: str | None = Field(description="Who has paused everything; null when an older version has not noted that.")


class SlotsOut(WireOut):
    """The slots that an engine has of one executor."""

    slots: int = Field(description="Runs it executes at one time.")
    running: int = Field(description="Runs it executes now.")
    backlog: int = Field(description="Runs it has claimed ahead, which wait for a slot of it.")
    stuck: int = Field(description="Slots whose run has timed out and does not stop, as of the last beat.")


class EngineOut(WireOut):
    """An engine: what fires jobs and executes runs in one process."""

    id: int
    node: str
    host: str
    pid: int
    version: str
    slots: int = Field(description="Runs it executes in threads at one time.")
    running: int = Field(description="Runs it executes in threads now.")
    backlog: int = Field(description="Runs it has claimed ahead, which wait for a thread of it.")
    executors: dict[str, SlotsOut] = Field(description="The same for each executor that it has.")
    tasks: list[str] = Field(description="The tasks it has registered.")
    state: EngineState = Field(
        description="`draining`: it takes no new runs, and ends, or with `drained_at` waits to be resumed."
    )
    drained_at: datetime | None = Field(description="Since when it is drained, as somebody has asked for.")
    beat: int
    started_at: datetime
    beat_at: datetime
    last_pass_at: datetime | None
    commit_seconds: float | None = Field(description="The median of its last commits, as of the last beat.")
    lag: float | None = Field(
        description="Seconds from due to fired, the 95th percentile of its last 5 minutes, as of the last beat."
    )
    claims: float | None = Field(description="Runs it claims in a minute, of its last 5, as of the last beat.")
    celery_pool: Literal["prefork", "solo", "threads"] | None = Field(
        description="The kind of pool, when it is a process of a Celery worker."
    )


class EnginePath(WireIn):
    """The engine that a path names."""

    engine_id: Annotated[int, Field(ge=1, le=LARGEST_ENGINE_ID), Digits] = Field(description="The id of the engine.")


class LimitOut(WireOut):
    """A limit that holds over all engines."""

    kind: Literal["rate_limit", "max_running", "executor_limits"]
    name: str = Field(description="The task, or of `executor_limits` the executor.")
    limit: str = Field(description="As it was set: `10/m`, or how many runs at one time.")
    used: int = Field(description="Starts that count now, or runs at this time.")
    is_used_up: bool = Field(description="Whether nothing more may start now.")
    waiting: int = Field(description="Runs of the task or executor that may start but for limits.")
    free_at: datetime | None = Field(description="When a rate limit that is used up lets a run start again.")


class SchedulerOut(WireOut):
    """Every engine, and how much there is to do."""

    paused: PauseOut | None
    engines: list[EngineOut] = Field(description="Every one that has not ended, and the newest 20 that have.")
    backlog: int = Field(description="Runs that may start now and have not; 10,001 when more than 10,000.")
    open_runs: dict[str, int] = Field(description="How many runs are in each state that is not final, as above.")
    limits: list[LimitOut] = Field(description="Every limit of executors, and of the tasks that this process knows.")
    unknown_tasks: list[str] = Field(
        description="Tasks that unfinished jobs name and none of the living engines has registered: their runs wait."
    )
    jobs: dict[str, int] = Field(description="How many jobs are in each state; 10,001 when more than 10,000.")
    next_run_time: datetime | None
    lag: float = Field(description="Seconds that the longest overdue job waits.")
    now: datetime


class SchedulerState(Protocol):
    """What is rendered: every field of `SchedulerOut`, the engines as the store has them."""

    @property
    def engines(self) -> Sequence[EngineRow]:
        """The engines to show."""

    @property
    def limits(self) -> Sequence[object]:
        """The limits to show, with the fields of `LimitOut`."""

    @property
    def holdings(self) -> Mapping[int, Mapping[str, int]]:
        """How many runs each engine holds, by executor."""


def render_slots(slots: int, held: int, stuck: int) -> dict[str, int]:
    """Return slots as `SlotsOut` says; more runs than slots are held only when some were claimed ahead."""
    return {"slots": slots, "running": min(held, slots), "backlog": max(0, held - slots), "stuck": stuck}


def render_engine(engine: EngineRow, held: Mapping[str, int]) -> dict[str, Any]:
    """Return an engine as `EngineOut` says."""
    executors = {
        name: render_slots(told["slots"], held.get(name, 0), told.get("stuck", 0))
        for name, told in engine.executors.items()
    }
    threads = render_slots(engine.slots, held.get(Executor.THREAD, 0), 0)
    known = {"executors": executors, "running": threads["running"], "backlog": threads["backlog"]}
    return known | {name: getattr(engine, name) for name in EngineOut.model_fields if name not in known}


def render_scheduler(view: SchedulerState) -> dict[str, Any]:
    """Return the scheduler as `SchedulerOut` says."""
    values = {name: getattr(view, name) for name in SchedulerOut.model_fields}
    rows = [render_engine(engine, view.holdings.get(engine.id, {})) for engine in view.engines]
    paused = values["paused"] and {"by": None, **values["paused"]}
    return values | {"paused": paused, "engines": rows, "limits": [vars(limit) for limit in view.limits]}
