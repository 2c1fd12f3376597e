"""Limits of a task that hold across all engines: how often it may start, and how many of its runs execute at once."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
MOST_STARTS = 100_000
MOST_SECONDS = 31 * UNITS["d"]
MOST_RUNNING = 10_000
RATE_ALLOWED = (
    f"allowed: starts/period, like '10/m', '5/30s', '100/h' or '2/d', with 1 to {MOST_STARTS:,} starts and a period of "
    "1 s to 31 d"
)
RUNNING_ALLOWED = f"allowed: a whole number from 1 to {MOST_RUNNING:,}"
_RATE = re.compile(r"(\d{1,9})/(\d{0,9})([smhd])")


@dataclass(frozen=True, kw_only=True, slots=True)
class RateLimit:
    """At most so many starts in any window of so many seconds, wherever that begins."""

    starts: int
    seconds: int

    @classmethod
    def parse(cls, text: Any) -> "RateLimit":
        """Read `10/m` or `5/30s`; ValueError says what is allowed."""
        match = _RATE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"got {text!r}; {RATE_ALLOWED}")
        starts, number, unit = match.groups()
        rate = cls(starts=int(starts), seconds=int(number or 1) * UNITS[unit])
        if not (1 <= rate.starts <= MOST_STARTS and 1 <= rate.seconds <= MOST_SECONDS):
            raise ValueError(f"got {text!r}; {RATE_ALLOWED}")
        return rate

    @property
    def period(self) -> timedelta:
        """How long the window is."""
        return timedelta(seconds=self.seconds)

    def __str__(self) -> str:
        unit = max((unit for unit in UNITS if self.seconds % UNITS[unit] == 0), key=UNITS.__getitem__)
        number = self.seconds // UNITS[unit]
        return f"{self.starts}/{'' if number == 1 else number}{unit}"


def running_limit(value: Any) -> int:
    """Return how many runs may execute at once; ValueError says what is allowed."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_RUNNING:
        raise ValueError(f"got {value!r}; {RUNNING_ALLOWED}")
    return value
