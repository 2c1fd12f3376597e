"""What a use case needs: the store, the tasks, the time, and whom to tell."""

from collections.abc import Callable
from dataclasses import dataclass

from scheduler_app.clock import Clock
from scheduler_app.domain.task import Registry
from scheduler_app.signals import Bus
from scheduler_app.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Context:
    """Handed to every use case. `wake` tells this process's engine that something may be due now."""

    database: Database
    registry: Registry
    clock: Clock
    bus: Bus
    wake: Callable[[], None]
