"""The Celery app that carries runs: the user's own, or one of ours for the broker that is set."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scheduler_app.broker.attending import Attendant
from scheduler_app.broker.guest import GuestEngine
from scheduler_app.broker.messaging import CeleryBroker, make_celery, require
from scheduler_app.broker.publisher import Publisher
from scheduler_app.engine.context import EngineContext
from scheduler_app.engine.engine import Engine

NO_BROKER = "there is no broker; set SCHEDULER_BROKER, for example redis://127.0.0.1:6379/0, or attach your Celery app"


class Distribution:
    """Whether, and through which Celery app, runs are executed by Celery's workers."""

    def __init__(self, broker: str | None, furnish: Callable[[Engine], None]) -> None:
        if broker is not None:
            require()
        self._broker = broker
        self._furnish = furnish
        self._celery: Any = None
        self.is_simulated = False

    @property
    def celery(self) -> Any:
        """The Celery app; None when no broker is set."""
        if self._celery is None and self._broker is not None:
            self._celery = make_celery(self._broker)
        return self._celery

    @property
    def is_there(self) -> bool:
        """Whether jobs may name the executor `celery`."""
        return self.is_simulated or self._broker is not None or self._celery is not None

    def attach(self, celery: Any, ctx: EngineContext) -> None:
        """Go through a Celery app, and let its workers execute runs."""
        self._celery = celery
        Attendant(celery, lambda: self.guest(ctx))

    def guest(self, ctx: EngineContext) -> GuestEngine:
        """Return the engine of a Celery process."""
        engine = GuestEngine(replace(ctx, slots=0, processes=None, publisher=lambda: None))
        self._furnish(engine)
        return engine

    def publisher(self, ctx: Callable[[], EngineContext]) -> Callable[[], float] | None:
        """Return the poll that publishes what is in the outbox; None when no broker is set."""
        if self.celery is None:
            return None
        parts = ctx()
        return Publisher(parts.database, parts.registry, parts.clock, CeleryBroker(self.celery), parts.limits).poll
