"""How an engine does lately: how late it fires and how much it claims in five minutes, which its beat tells."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

SPAN = 300.0
STEP = 10.0
MOST_PASSES = 1000
SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class Tempo:
    """By how many seconds an engine fires late, the 95th percentile, and how many runs it claims in a minute."""

    lag: float | None = None
    claims: float = 0.0


class Meter:
    """Notes what the passes do, and when the last one was. Of each that fires, the firing that was due first counts."""

    def __init__(self) -> None:
        self.passed_at: datetime | None = None
        self._lock = threading.Lock()
        self._lags: deque[tuple[float, float]] = deque(maxlen=MOST_PASSES)
        self._claims: deque[tuple[float, int]] = deque(maxlen=int(SPAN / STEP))
        self._begun: float | None = None

    def note(self, at: float, *, lag: float | None, claimed: int) -> None:
        """Note a pass, at a monotonic time."""
        with self._lock:
            self._begun = at if self._begun is None else self._begun
            if lag is not None:
                self._lags.append((at, lag))
            step = at // STEP
            same = self._claims.pop()[1] if self._claims and self._claims[-1][0] == step else 0
            self._claims.append((step, same + claimed))

    def tempo(self, at: float) -> Tempo:
        """Return how it has gone in the five minutes before a monotonic time."""
        with self._lock:
            lags = sorted(lag for noted, lag in self._lags if noted > at - SPAN)
            claimed = sum(number for step, number in self._claims if step * STEP > at - SPAN)
            begun = self._begun
        minutes = max(STEP, min(SPAN, at - begun)) / 60 if begun is not None else 1.0
        return Tempo(lag=_percentile(lags), claims=claimed / minutes)


def _percentile(values: Sequence[float]) -> float | None:
    return values[ceil(SHARE * len(values)) - 1] if values else None
