"""The scheduler as a whole on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import Field

from scheduler_app.domain.policy import Executor
from scheduler_app.schemas.fields import WireOut
from scheduler_app.store.engines import EngineRow, EngineState


class PauseOut(WireOut):
    """Since when and why nothing fires."""

    since: datetime
    reason: str | None


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
    state: EngineState = Field(description="`draining`: it takes no more work, and ends.")
    beat: int
    started_at: datetime
    beat_at: datetime
    last_pass_at: datetime | None
    commit_seconds: float | None = Field(description="The median of its last commits, as of the last beat.")


class SchedulerOut(WireOut):
    """Every engine, and how much there is to do."""

    paused: PauseOut | None
    engines: list[EngineOut] = Field(description="Every one that has not ended, and the newest 20 that have.")
    backlog: int = Field(description="Runs that may start now and have not.")
    open_runs: dict[str, int] = Field(description="How many runs are in each state that is not final.")
    unknown_tasks: list[str] = Field(
        description="Tasks that unfinished jobs name and none of the living engines has registered: their runs wait."
    )
    jobs: dict[str, int] = Field(description="How many jobs are in each state.")
    next_run_time: datetime | None
    lag: float = Field(description="Seconds that the longest overdue job waits.")
    now: datetime


class SchedulerState(Protocol):
    """What is rendered: every field of `SchedulerOut`, the engines as the store has them."""

    @property
    def engines(self) -> Sequence[EngineRow]:
        """The engines to show."""

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
    return values | {"engines": rows}
