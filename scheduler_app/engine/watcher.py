"""The watcher: sees what other connections commit, and wakes the pass."""

from collections.abc import Callable

from scheduler_app.store.backend import Probe
from scheduler_app.store.database import Database


class Watcher:
    """Asks the store's probe. One that fails is closed, and opened again at the next poll."""

    def __init__(self, database: Database, *, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change
        self._probe: Probe | None = None

    def poll(self) -> float:
        """Look once and return how long to wait."""
        probe = self._probe = self._probe or self._database.probe()
        try:
            changed = probe.has_changed()
        except BaseException:
            self.close()
            raise
        if changed:
            self._on_change()
        return probe.rest

    def close(self) -> None:
        """Close the connection."""
        probe, self._probe = self._probe, None
        if probe is not None:
            probe.close()
