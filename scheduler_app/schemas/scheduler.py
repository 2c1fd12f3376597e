"""The scheduler as a whole on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import Field

from scheduler_app.schemas.fields import WireOut
from scheduler_app.store.engines import EngineRow, EngineState


class PauseOut(WireOut):
    """Since when and why nothing fires."""

    since: datetime
    reason: str | None


class EngineOut(WireOut):
    """An engine: what fires jobs and executes runs in one process."""

    id: int
    node: str
    host: str
    pid: int
    version: str
    slots: int = Field(description="Runs it executes at one time.")
    running: int = Field(description="Runs it executes now.")
    backlog: int = Field(description="Runs it has claimed ahead, which wait for a slot of it.")
    tasks: list[str] = Field(description="The tasks it has registered.")
    state: EngineState = Field(description="`draining`: it takes no more work, and ends.")
    beat: int
    started_at: datetime
    beat_at: datetime
    last_pass_at: datetime | None


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
    def holdings(self) -> Mapping[int, int]:
        """How many runs each engine holds."""


def render_engine(engine: EngineRow, held: int) -> dict[str, Any]:
    """Return an engine as `EngineOut` says; it holds more runs than it has slots only when it claimed ahead."""
    counts = {"running": min(held, engine.slots), "backlog": max(0, held - engine.slots)}
    return counts | {name: getattr(engine, name) for name in EngineOut.model_fields if name not in counts}


def render_scheduler(view: SchedulerState) -> dict[str, Any]:
    """Return the scheduler as `SchedulerOut` says."""
    values = {name: getattr(view, name) for name in SchedulerOut.model_fields}
    rows = [render_engine(engine, view.holdings.get(engine.id, 0)) for engine in view.engines]
    return values | {"engines": rows}
