"""What has happened, in numbers: how many runs ended how, how jobs usually go, how late they fire."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.run import FINAL_STATES, RunState
from scheduler_app.domain.track import FAILURES, JobStats, percentile
from scheduler_app.services.context import Context
from scheduler_app.store import lags, rollups, tracks

Step = Literal["minute", "hour"]
SIZES: dict[Step, int] = {"minute": rollups.MINUTE, "hour": rollups.HOUR}
DAY = timedelta(days=1)
LAG_OVER = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """How many runs ended in a minute or an hour, by final state; of `missed` the firings are counted."""

    at: datetime
    counts: dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How many runs ended how. `failed` are those that failed, timed out or were lost."""

    succeeded: int = 0
    failed: int = 0
    missed: int = 0
    skipped: int = 0
    cancelled: int = 0

    @property
    def success(self) -> float | None:
        """Return which part of the runs that succeeded or failed has succeeded."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """The last 24 hours, and the 24 hours before them."""

    last: Tally
    before: Tally


@dataclass(frozen=True, kw_only=True, slots=True)
class Lag:
    """By how many seconds the firings of the last five minutes were late; None when there was none."""

    p95: float | None
    max: float | None


def buckets(start: datetime, end: datetime, step: Step, *, ctx: Context) -> list[Bucket]:
    """Return how many runs ended how in each minute or hour, from the one of `start` to that before `end`."""
    with ctx.database.read() as tx:
        return _buckets(tx, start, end, step)


def _buckets(tx: sa.Connection, start: datetime, end: datetime, step: Step) -> list[Bucket]:
    size = SIZES[step]
    begin = to_micros(start) // size * size
    found = rollups.read(tx, from_micros(begin), end, size)
    return [
        Bucket(at=from_micros(at), counts={str(state): found.get(at, {}).get(state, 0) for state in FINAL_STATES})
        for at in range(begin, to_micros(end), size)
    ]


def day(now: datetime, *, ctx: Context) -> Day:
    """Return how the runs of the last 24 hours ended, and those of the 24 hours before."""
    with ctx.database.read() as tx:
        return Day(last=_tally(tx, now - DAY, now), before=_tally(tx, now - 2 * DAY, now - DAY))


def _tally(tx: sa.Connection, start: datetime, end: datetime) -> Tally:
    counts = {str(state): 0 for state in FINAL_STATES}
    for bucket in _buckets(tx, start, end, "minute"):
        for state, number in bucket.counts.items():
            counts[state] += number
    return tally(counts.items())


def tally(counts: Iterable[tuple[str, int]]) -> Tally:
    """Add up counts by final state."""
    found = dict.fromkeys((field.name for field in fields(Tally)), 0)
    for state, number in counts:
        found[RunState.FAILED if state in FAILURES else state] += number
    return Tally(**found)


def of_jobs(keys: Sequence[int], *, ctx: Context) -> dict[int, JobStats]:
    """Return what is known of the last runs of jobs, by key; a job that never ran has empty numbers."""
    with ctx.database.read() as tx:
        return tracks.of_jobs(tx, keys)


def lag(*, ctx: Context) -> Lag:
    """Return how late the jobs of the last five minutes fired."""
    with ctx.database.read() as tx:
        found = lags.since(tx, ctx.clock.now() - LAG_OVER)
    return Lag(p95=percentile(found, 0.95), max=found[-1]) if found else Lag(p95=None, max=None)
