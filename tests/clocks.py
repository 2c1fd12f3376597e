"""A clock for tests that need no engine."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@dataclass
class SettableClock:
    """A clock that stands until it is moved."""

    moment: datetime = NOW
    seconds: float = 1000.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(0)

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds
