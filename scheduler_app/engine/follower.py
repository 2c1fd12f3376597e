"""The follower: tells the store the defaults of this engine's tasks, and lets the jobs follow them, batch by batch."""

from scheduler_app.clock import Clock
from scheduler_app.domain.policy import Overrides
from scheduler_app.domain.task import Registry
from scheduler_app.services import defaults
from scheduler_app.store.database import Database

LOOK_EVERY = 10.0


class Follower:
    """Announces what is new of a registry. It remembers what it has said, also when its engine starts again."""

    def __init__(self, database: Database, registry: Registry, clock: Clock) -> None:
        self._database = database
        self._registry = registry
        self._clock = clock
        self._announced: dict[str, Overrides] = {}
        self._behind: list[str] = []

    def poll(self) -> float:
        """Announce, or let one batch follow, and return how long to wait."""
        self._announce()
        if not self._behind:
            return LOOK_EVERY
        task, now = self._behind[0], self._clock.now()
        if not defaults.follow(task, self._announced[task], database=self._database, now=now):
            self._behind.pop(0)
        return 0.0

    def _announce(self) -> None:
        known = {task.name: task.overrides for task in self._registry}
        new = {name: given for name, given in known.items() if self._announced.get(name) != given}
        if new:
            self._behind += defaults.announce(new, database=self._database)
            self._announced |= new
