"""What has happened, in numbers: how many runs ended how, how jobs usually go, how late they fire."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.run import FINAL_STATES, RunState
from scheduler_app.domain.track import FAILURES, JobStats
from scheduler_app.services.context import Context
from scheduler_app.store import lags, plans, rollups, tracks
from scheduler_app.store.lags import Grade
from scheduler_app.store.rollups import Step

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LAG_OVER = timedelta(minutes=5)
OVERDUE_AFTER = timedelta(seconds=5)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulse:
    """What a minute was like: how late jobs fired and how often, and how many runs were queued and jobs overdue when
    an engine looked; None when none did."""

    at: datetime
    lag: Lag
    fired: int
    backlog: int | None
    overdue: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Punctuality:
    """How often jobs fired in the last hour, and how many were due more than 5 s ago and have not fired."""

    fired: int
    overdue: int

    @property
    def due(self) -> int:
        """Return how often jobs should have fired."""
        return self.fired + self.overdue


def buckets(start: datetime, end: datetime, step: Step, *, ctx: Context) -> list[Bucket]:
    """Return how many runs ended how in each minute or hour, from the one of `start` to that before `end`."""
    size = rollups.SIZES[step]
    begin = to_micros(start) // size * size
    found = {at: dict.fromkeys(map(str, FINAL_STATES), 0) for at in range(begin, to_micros(end), size)}
    with ctx.database.read() as tx:
        for rollup in rollups.read(tx, from_micros(begin), end, step):
            found[to_micros(rollup.at)][rollup.state] = rollup.firings
    return [Bucket(at=from_micros(at), counts=counts) for at, counts in found.items()]


def day(now: datetime, *, ctx: Context) -> Day:
    """Return how the runs of the last 24 hours ended, and those of the 24 hours before."""
    with ctx.database.read() as tx:
        return Day(last=tally(tx, now - DAY, now), before=tally(tx, now - 2 * DAY, now - DAY))


def tally(tx: sa.Connection, start: datetime, end: datetime) -> Tally:
    """Add up how runs ended, from the minute after that of `start` to that of `end`: whole hours, and what is left."""
    begin, until = _minute_of(start) + MINUTE, _minute_of(end) + MINUTE
    first, last = _hour_of(begin + HOUR - MINUTE), _hour_of(until)
    pieces = [
        *rollups.read(tx, begin, min(first, until), "minute"),
        *rollups.read(tx, first, last, "hour"),
        *rollups.read(tx, max(first, last), until, "minute"),
    ]
    found = dict.fromkeys((field.name for field in fields(Tally)), 0)
    for piece in pieces:
        found[RunState.FAILED if piece.state in FAILURES else piece.state] += piece.firings
    return Tally(**found)


def _minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def of_jobs(keys: Sequence[int], *, ctx: Context) -> dict[int, JobStats]:
    """Return what is known of the last runs of jobs, by key; a job that never ran has empty numbers."""
    with ctx.database.read() as tx:
        return tracks.of_jobs(tx, keys)


def pulse(start: datetime, end: datetime, *, ctx: Context) -> list[Pulse]:
    """Return how late jobs fired and how much waited in each minute of which anything is known."""
    with ctx.database.read() as tx:
        samples = {sample.at: sample for sample in plans.samples_since(tx, _minute_of(start)) if sample.at < end}
        graded: dict[datetime, list[Grade]] = {}
        for grade in lags.since(tx, start):
            if grade.at < end:
                graded.setdefault(grade.at, []).append(grade)
    return [
        Pulse(
            at=at,
            lag=lag_of(graded.get(at, ())),
            fired=sum(grade.count for grade in graded.get(at, ())),
            backlog=samples[at].backlog if at in samples else None,
            overdue=samples[at].overdue if at in samples else None,
        )
        for at in sorted({*samples, *graded})
    ]


def punctuality(now: datetime, *, ctx: Context) -> Punctuality:
    """Return how often jobs fired in the last hour, and how many are overdue now."""
    with ctx.database.read() as tx:
        fired = sum(grade.count for grade in lags.since(tx, now - HOUR + MINUTE))
        overdue = plans.overdue(tx, now - OVERDUE_AFTER)
    return Punctuality(fired=fired, overdue=overdue)


def lag(*, ctx: Context) -> Lag:
    """Return how late the jobs of the last five minutes fired."""
    with ctx.database.read() as tx:
        return lag_of(lags.since(tx, ctx.clock.now() - LAG_OVER))


def lag_of(grades: Sequence[Grade]) -> Lag:
    """Return how late firings were."""
    left = 0.05 * sum(grade.count for grade in grades)
    for grade in sorted(grades, key=lambda grade: grade.most, reverse=True):
        left -= grade.count
        if left < 0:
            return Lag(p95=grade.most, max=max(grade.most for grade in grades))
    return Lag(p95=None, max=None)
