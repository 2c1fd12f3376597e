"""Time. Nothing else in this package reads the wall clock or waits, so that a test can stand in for both.

Inside the package a time is an aware `datetime` in UTC; in the store it is an integer of microseconds since 1970.
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LOOK_EVERY = 0.02


class Clock(Protocol):
    """What the package asks of time."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC datetime."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps, from an arbitrary start."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set or `seconds` have passed; return whether it is set."""

    def linger(self, most: float) -> None:
        """Wait until something may have come of what others do, `most` seconds at most."""

    def adjust(self, ahead: timedelta, *, within: timedelta) -> None:
        """Learn that the clock all engines go by is ahead of this one, give or take `within`."""


class SystemClock:
    """The machine's own clocks; the wall clock is corrected by what it is told of the database's."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC datetime."""
        return datetime.now(UTC) + self._offset

    def adjust(self, ahead: timedelta, *, within: timedelta) -> None:
        """Go as the database does from now on, unless the difference may be one of measuring."""
        if abs(ahead) > within:
            self._offset += ahead

    def monotonic(self) -> float:
        """Return seconds on the machine's monotonic clock."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set or `seconds` have passed; return whether it is set."""
        return event.wait(seconds)

    def linger(self, most: float) -> None:
        """Wait for a moment, after which it is worth while to look again; `most` seconds at most."""
        time.sleep(max(0.0, min(most, LOOK_EVERY)))


def to_micros(moment: datetime) -> int:
    """Return `moment` as microseconds since 1970-01-01T00:00Z."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC datetime of a number of microseconds since 1970-01-01T00:00Z."""
    return EPOCH + timedelta(0, 0, micros)


def rfc3339(moment: datetime) -> str:
    """Return `moment` in UTC as RFC 3339 text with a `Z`, fractions only when they are not 0."""
    text = moment.astimezone(UTC).isoformat()
    return text.removesuffix("+00:00") + "Z"
