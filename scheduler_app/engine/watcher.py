"""The watcher: sees what other connections commit, and wakes the pass."""

from collections.abc import Callable

from scheduler_app.store.database import Database
from scheduler_app.store.sqlite import ChangeProbe

LOOK_EVERY = 0.05


class Watcher:
    """Reads the store's change counter (3 µs) on a connection of its own."""

    def __init__(self, database: Database, *, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change
        self._probe: ChangeProbe | None = None
        self._version: int | None = None

    def poll(self) -> float:
        """Look once and return how long to wait."""
        if self._probe is None:
            self._probe = ChangeProbe(self._database.path)
        version = self._probe.version()
        if version != self._version:
            self._version = version
            self._on_change()
        return LOOK_EVERY

    def close(self) -> None:
        """Close the connection."""
        if self._probe is not None:
            self._probe.close()
            self._probe = None
