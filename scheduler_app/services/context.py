"""What a use case needs: the store, the tasks, the time, and whom to tell."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import sqlalchemy as sa

from scheduler_app.clock import Clock
from scheduler_app.domain.change import CODE, COMMAND_LINE
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.task import Registry
from scheduler_app.services.attempts import Attempts
from scheduler_app.signals import Bus
from scheduler_app.store.nested import Joined, Rehearsal, Store


class Underway:
    """What this process is doing right now, each under a name of its own."""

    def __init__(self) -> None:
        self._names: set[object] = set()
        self._lock = threading.Lock()

    @contextmanager
    def alone(self, name: object) -> Iterator[bool]:
        """Tell whether nobody else does the same; if so, nobody else is told that until the block ends."""
        with self._lock:
            alone = name not in self._names
            self._names.add(name)
        try:
            yield alone
        finally:
            if alone:
                with self._lock:
                    self._names.discard(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who changes something: a name, the id of the key of that name, and the request by which it comes."""

    name: str
    api_key: int | None = None
    request_id: str | None = None


BY_CODE = Actor(name=CODE)
BY_COMMAND = Actor(name=COMMAND_LINE)


@dataclass(frozen=True, kw_only=True)
class Context:
    """Handed to every use case. `wake` tells this process's engine that something may be due now.

    `limits` is how many runs of an executor execute at once, over all engines.
    `actor` is who changes what the use case changes. A session ends when nobody was there for `session_idle`.
    """

    database: Store
    registry: Registry
    clock: Clock
    bus: Bus
    wake: Callable[[], None]
    limits: Mapping[Executor, int] = field(default_factory=dict)
    underway: Underway = field(default_factory=Underway)
    is_rehearsal: bool = False
    actor: Actor = BY_CODE
    attempts: Attempts = field(default_factory=Attempts)
    session_idle: timedelta = timedelta(hours=8)

    def by(self, actor: Actor) -> "Context":
        """Return a context in which somebody else makes the changes; made for each request, so no field is set anew."""
        other = object.__new__(Context)
        vars(other).update(vars(self), actor=actor)
        return other

    def rehearsing(self) -> "Context":
        """Return a context in which nothing is kept, announced or woken: that of a dry run."""
        return replace(self, database=Rehearsal(self.database), bus=Bus(), wake=_nobody, is_rehearsal=True)

    def keeping(self, store: Store) -> "Context":
        """Return a context over a store that stands in front of this one's."""
        return replace(self, database=store)

    def within(self, tx: sa.Connection, bus: Bus) -> "Context":
        """Return a context whose writes take part in a transaction; who began it announces, and wakes, at its end."""
        return replace(self, database=Joined(tx), bus=bus, wake=_nobody)


def _nobody() -> None:
    pass
