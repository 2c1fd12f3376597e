"""What an engine is made of, given from above."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from scheduler_app.clock import Clock
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.retention import EVERYTHING, Retention
from scheduler_app.domain.task import Registry
from scheduler_app.engine.crew import Habits
from scheduler_app.engine.workers import Recipe
from scheduler_app.signals import Bus
from scheduler_app.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Worker processes: how many runs at one time, how they are started and how long they are kept."""

    slots: int
    recipe: Callable[[], Recipe]
    habits: Habits


@dataclass(frozen=True, kw_only=True)
class EngineContext:
    """What an engine is made of; `context` surrounds each task call, `upkeep` is called before each pass.

    Without `processes` it executes nothing of executor `process`. `publisher` gives the poll that publishes what others
    execute, when there is a broker. `limits` is how many runs of an executor execute at once, over all engines. Where
    requests are served too, `load` loads what answers them, once the engine works.
    """

    database: Database
    registry: Registry
    clock: Clock
    bus: Bus
    slots: int
    processes: Processes | None = None
    limits: Mapping[Executor, int] = field(default_factory=dict)
    retention: Retention = EVERYTHING
    context: Callable[[], AbstractContextManager[Any]]
    upkeep: Callable[[], None] = lambda: None
    publisher: Callable[[], Callable[[], float] | None] = lambda: None
    load: Callable[[], None] = lambda: None
