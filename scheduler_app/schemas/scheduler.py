"""The scheduler as a whole on the wire."""

from collections.abc import Sequence
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
    tasks: list[str] = Field(description="The tasks it has registered.")
    state: EngineState
    beat: int
    started_at: datetime
    beat_at: datetime
    last_pass_at: datetime | None


class SchedulerOut(WireOut):
    """Every engine, and how much there is to do."""

    paused: PauseOut | None
    engines: list[EngineOut] = Field(description="The newest 20, ended ones too.")
    backlog: int = Field(description="Runs that may start now and have not.")
    open_runs: dict[str, int] = Field(description="How many runs are in each state that is not final.")
    jobs: dict[str, int] = Field(description="How many jobs are in each state.")
    next_run_time: datetime | None
    lag: float = Field(description="Seconds that the longest overdue job waits.")
    now: datetime


class SchedulerState(Protocol):
    """What is rendered: every field of `SchedulerOut`, the engines as the store has them."""

    @property
    def engines(self) -> Sequence[EngineRow]:
        """The engines to show."""


def render_engine(engine: EngineRow) -> dict[str, Any]:
    """Return an engine as `EngineOut` says."""
    return {name: getattr(engine, name) for name in EngineOut.model_fields}


def render_scheduler(view: SchedulerState) -> dict[str, Any]:
    """Return the scheduler as `SchedulerOut` says."""
    values = {name: getattr(view, name) for name in SchedulerOut.model_fields}
    return values | {"engines": [render_engine(engine) for engine in view.engines]}
