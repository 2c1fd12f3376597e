"""What will happen, in pictures: the load of a week, and a span of time job by job."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Literal

import sqlalchemy as sa

from scheduler_app.clock import MICROSECOND, Clock
from scheduler_app.domain.due import firings
from scheduler_app.domain.job import Job
from scheduler_app.domain.load import HOUR, hour_of
from scheduler_app.domain.run import RunState
from scheduler_app.errors import SchedulerError
from scheduler_app.services.context import Context
from scheduler_app.services.forecast import running_times, trigger_of
from scheduler_app.services.reckoning import AHEAD, Reckoning
from scheduler_app.store import engines, facts, jobs, plans, spans, tracks
from scheduler_app.store.plans import Hours

HOURS_OF_A_WEEK = 168
JOBS_A_SLICE = 50
MOST_SLICES = 10
MOST_SLICES_AHEAD = 40
MOST_SECONDS_AHEAD = 0.5
MOST_JOBS = 300
MOST_BARS = 2_000
MOST_PLANNED = 60
TOLD_APART = 600
# of bars that are merged the worst state is shown
WORSE = (
    RunState.SUCCEEDED,
    RunState.CANCELLED,
    RunState.TIMED_OUT,
    RunState.LOST,
    RunState.FAILED,
)
THRESHOLD = 4
MINUTE = timedelta(minutes=1)

Sort = Literal["next", "name", "tag", "load"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HourPlan:
    """How many firings are planned in an hour, and for how many seconds they will usually keep slots busy."""

    at: datetime
    firings: int
    busy_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Week:
    """The hours of a week; not `complete` when there are more jobs than could be counted."""

    plans: list[HourPlan]
    complete: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A run that was executed, or is: `end` is None while it runs. `count` runs that are too close together to be
    told apart are one bar, in the worst state of them, named by the newest."""

    run_id: int
    state: RunState
    begin: datetime
    end: datetime | None
    count: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A firing to come, and how many seconds its run will usually take."""

    at: datetime
    usual: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineRow:
    """What a job has in the span."""

    job: Job
    bars: tuple[Bar, ...]
    planned: tuple[Planned, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Collision:
    """A minute in which more firings are planned than the threshold, and the ids of the jobs that fire in it."""

    at: datetime
    firings: int
    jobs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Busy:
    """How many slots are busy from a moment on; `planned` when that is what is usual, not what has happened."""

    at: datetime
    slots: int
    planned: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Slots:
    """How many slots the living engines have, and how many of them are busy over the span."""

    total: int
    busy: tuple[Busy, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """A span of time, job by job; not `complete` when there is more than is told."""

    rows: tuple[TimelineRow, ...]
    collisions: tuple[Collision, ...]
    slots: Slots
    complete: bool


def week(start: datetime, *, ctx: Context) -> list[HourPlan]:
    """Return what is planned in each of the 168 hours from that of `start` on, as an engine has reckoned it.

    Where none has yet, as in a new store, what the first jobs will do is reckoned here.
    """
    begin = hour_of(start)
    end = begin + HOURS_OF_A_WEEK * HOUR
    with ctx.database.read() as tx:
        until = plans.reckoned_until(tx)
        hours = plans.read(tx, begin, end) if until is not None else _reckoned(tx, ctx.clock.now())
    planned = ((at, hours.get(at, (0, 0.0))) for at in (begin + number * HOUR for number in range(HOURS_OF_A_WEEK)))
    return [HourPlan(at=at, firings=firings, busy_seconds=busy) for at, (firings, busy) in planned]


def week_ahead(start: datetime, *, ctx: Context) -> Week:
    """Return the 168 hours from that of `start` on, also of a week further ahead than an engine has reckoned.

    That is reckoned here, for as many jobs as can be in half a second, 2,000 at most.
    """
    begin = hour_of(start)
    with ctx.database.read() as tx:
        now = hour_of(ctx.clock.now())
        until = plans.reckoned_until(tx) or now + AHEAD
        if begin < now or begin + HOURS_OF_A_WEEK * HOUR <= until:
            return Week(plans=week(start, ctx=ctx), complete=True)
        reckoning = Reckoning(since=begin, span=HOURS_OF_A_WEEK * HOUR)
        complete = _reckon(reckoning, tx, ctx.clock)
    planned = ((at, reckoning.hours.get(at, (0, 0.0))) for at in (begin + n * HOUR for n in range(HOURS_OF_A_WEEK)))
    return Week(plans=[HourPlan(at=at, firings=n, busy_seconds=busy) for at, (n, busy) in planned], complete=complete)


def _reckon(reckoning: Reckoning, tx: sa.Connection, clock: Clock) -> bool:
    """Reckon within bounds; whether that was all."""
    until = clock.monotonic() + MOST_SECONDS_AHEAD
    for _ in range(MOST_SLICES_AHEAD):
        if not reckoning.step(tx, JOBS_A_SLICE):
            return True
        if clock.monotonic() > until:
            break
    return False


def _reckoned(tx: sa.Connection, now: datetime) -> Hours:
    reckoning = Reckoning(since=now)
    for _ in range(MOST_SLICES):
        if not reckoning.step(tx, JOBS_A_SLICE):
            break
    return reckoning.hours


def timeline(start: datetime, end: datetime, *, limit: int, sort: Sort = "next", ctx: Context) -> Timeline:
    """Return what at most `limit` jobs did from `start` on, and will do until `end`, and where firings collide."""
    now = ctx.clock.now()
    with ctx.database.read() as tx:
        ran = spans.between(tx, start, end, MOST_BARS + 1)
        is_paused = facts.get(tx, facts.PAUSE) is not None
        coming = jobs.soonest(tx, end, MOST_JOBS) if end > now and not is_paused else []
        found = {job.key: job for job in [*coming, *jobs.by_keys(tx, {span.job_key for span in ran})]}
        usual = tracks.usuals(tx, [job.key for job in coming])
        total = sum(engine.slots for engine in engines.live(tx))
    bars = _bars(ran[:MOST_BARS], (end - start) / TOLD_APART)
    expected = {job.key: _planned(job, now, max(now, start), end, usual[job.key]) for job in coming}
    rows = [
        TimelineRow(job=job, bars=tuple(bars.get(key, ())), planned=expected.get(key, ()))
        for key, job in found.items()
        if key in bars or expected.get(key)
    ]
    cut = len(ran) > MOST_BARS or len(coming) >= MOST_JOBS or MOST_PLANNED in map(len, expected.values())
    return Timeline(
        rows=tuple(_sorted(rows, sort)[:limit]),
        collisions=tuple(_collisions(rows)),
        slots=Slots(total=total, busy=tuple(_busy(rows, now, start, end))),
        complete=len(rows) <= limit and not cut,
    )


def _bars(ran: Sequence[spans.Span], least: timedelta) -> dict[int, list[Bar]]:
    """Return the bars of each job; what began so soon after the last that nobody could tell them apart is one bar."""
    bars: dict[int, list[Bar]] = {}
    for span in sorted(ran, key=lambda span: (span.begin, span.run_id)):
        of_job = bars.setdefault(span.job_key, [])
        bar = Bar(run_id=span.run_id, state=span.state, begin=span.begin, end=span.end)
        if of_job and bar.end is not None and of_job[-1].end is not None and bar.begin - of_job[-1].begin < least:
            of_job[-1] = _merged(of_job[-1], bar)
        else:
            of_job.append(bar)
    return bars


def _merged(one: Bar, other: Bar) -> Bar:
    assert one.end is not None and other.end is not None
    state = max(one.state, other.state, key=WORSE.index)
    return replace(other, state=state, begin=one.begin, end=max(one.end, other.end), count=one.count + other.count)


def _planned(job: Job, now: datetime, start: datetime, end: datetime, usual: float | None) -> tuple[Planned, ...]:
    """Return the firings to come of a job, the first 60 of them."""
    try:
        times = running_times(job, job.skip_count) if start <= now else _times_from(job, start)
        coming = takewhile(lambda at: at < end, (at for at in times if at >= start))
        return tuple(Planned(at=at, usual=usual) for at in islice(coming, MOST_PLANNED))
    except SchedulerError:
        return ()


def _times_from(job: Job, start: datetime) -> Iterator[datetime]:
    """Yield the firings of a job in a span that has not begun."""
    if job.trigger is None:
        return iter(())
    since = max(start, job.paused_until or start, job.next_run_time or start)
    return firings(trigger_of(job), since - MICROSECOND)


def _sorted(rows: Sequence[TimelineRow], sort: Sort) -> list[TimelineRow]:
    if sort == "load":
        return sorted(rows, key=lambda row: (-len(row.bars) - len(row.planned), row.job.id))
    if sort == "name":
        return sorted(rows, key=lambda row: (row.job.name, row.job.id))
    if sort == "tag":
        return sorted(rows, key=lambda row: (row.job.policies.tags[:1] or ("\U0010ffff",), row.job.name, row.job.id))
    return sorted(rows, key=_by_next)


def _by_next(row: TimelineRow) -> tuple[bool, datetime, str]:
    at = row.planned[0].at if row.planned else row.bars[-1].begin
    return not row.planned, at, row.job.id


def _collisions(rows: Iterable[TimelineRow]) -> Iterable[Collision]:
    starts: dict[datetime, list[str]] = {}
    for row in rows:
        for planned in row.planned:
            starts.setdefault(planned.at.replace(second=0, microsecond=0), []).append(row.job.id)
    for at, ids in sorted(starts.items()):
        if len(ids) > THRESHOLD:
            yield Collision(at=at, firings=len(ids), jobs=tuple(sorted(set(ids))))


def _busy(rows: Iterable[TimelineRow], now: datetime, start: datetime, end: datetime) -> Iterable[Busy]:
    """Yield how many slots are busy at each moment at which that changes."""
    changes: dict[datetime, int] = {}
    for row in rows:
        for bar in row.bars:
            changes[bar.begin] = changes.get(bar.begin, 0) + 1
            until = bar.end or max(now, bar.begin)
            changes[until] = changes.get(until, 0) - 1
        for planned in row.planned:
            until = planned.at + timedelta(seconds=planned.usual or 0.0)
            changes[planned.at] = changes.get(planned.at, 0) + 1
            changes[until] = changes.get(until, 0) - 1
    busy = 0
    for at, change in sorted(changes.items()):
        busy += change
        if change and start <= at < end:
            yield Busy(at=at, slots=busy, planned=at > now)
