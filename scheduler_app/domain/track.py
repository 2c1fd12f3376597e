"""The track record of a job: how its last runs went, and what is usual for it.

"Usual" is the median of the last 90 runs that succeeded, "p95" the 95th percentile of the same, both by nearest rank
(the value at place ceil(p · n) of n sorted ones). With fewer than five of them nothing is usual.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from scheduler_app.domain.run import RunState

KEPT = 90
FEWEST = 5
COMPARED = 30
NOTEWORTHY = 0.05
FAILURES = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.LOST})


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """How one run ended; `duration` and `lateness` are None when it never started."""

    run_id: int
    state: RunState
    duration: float | None
    lateness: float | None
    scheduled_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStats:
    """What is known of the last 90 runs of a job, in seconds. `trend` is by which part of it the median of the newest
    30 that succeeded differs from that of the oldest 30; `failing_since` is the end of the first failure in a row."""

    usual: float | None = None
    p95: float | None = None
    succeeded: int = 0
    failed: int = 0
    failing_since: datetime | None = None
    failures_in_a_row: int = 0
    lateness_p95: float | None = None
    lateness_max: float | None = None
    trend: float | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    strip: tuple[Mark, ...] = ()

    @property
    def success(self) -> float | None:
        """Return which part of the runs that succeeded or failed has succeeded."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None


NO_STATS = JobStats()


def percentile(ordered: Sequence[float], part: float) -> float:
    """Return the value below or at which a part of some sorted values lies."""
    return ordered[max(0, ceil(part * len(ordered)) - 1)]


def usual(durations: Sequence[float], part: float = 0.5) -> float | None:
    """Return a percentile of what runs took that succeeded, if there were enough of them."""
    return percentile(sorted(durations), part) if len(durations) >= FEWEST else None


def trend(durations: Sequence[float]) -> float | None:
    """Return how much longer the newest 30 took than the oldest 30, as a part; None when that is not worth telling."""
    if len(durations) < 2 * COMPARED:
        return None
    before = percentile(sorted(durations[:COMPARED]), 0.5)
    since = percentile(sorted(durations[-COMPARED:]), 0.5)
    change = since / before - 1 if before > 0 else 0.0
    return change if abs(change) > NOTEWORTHY else None
