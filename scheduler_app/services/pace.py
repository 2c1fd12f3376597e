"""Is the scheduler itself well? How late it fires, what waits, and whether everything that was due has fired."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.run import Run, RunState
from scheduler_app.domain.track import percentile
from scheduler_app.services.context import Context
from scheduler_app.services.overview import lost
from scheduler_app.services.scheduler import SchedulerView
from scheduler_app.services.stats import Lag, lag
from scheduler_app.store import jobs, pace, runs
from scheduler_app.store.engines import LIVE, EngineRow

HOURS = timedelta(hours=3)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
# what is due is fired within a second
OVERDUE = timedelta(seconds=5)
# a run that starts at once has not waited
BRIEF = timedelta(seconds=1)
MOST_RUNS = 10_000
MOST_JOBS = 200
MOST_WAITING = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Minute:
    """A minute: the p95 of how late its firings were, None without any, and how many runs waited at most."""

    at: datetime
    lag: float | None
    backlog: int


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What the Scheduler page tells. `fired` counts the firings of the last hour, unless it is not `exact`."""

    now: datetime
    scheduler: SchedulerView
    lag: Lag
    fired: int
    exact: bool
    overdue: Sequence[Job]
    waiting: Sequence[Run]
    minutes: Sequence[Minute]
    read_seconds: float

    @property
    def alive(self) -> list[EngineRow]:
        """The engines that live."""
        return [engine for engine in self.scheduler.engines if engine.state in LIVE]

    @property
    def gone(self) -> list[EngineRow]:
        """The engines that were lost within a day, and that none has followed where they were."""
        return lost(self.scheduler.engines, self.now)


def read_pace(view: SchedulerView, *, ctx: Context) -> Pace:
    """Return how the scheduler itself does."""
    now, began = view.now, ctx.clock.monotonic()
    with ctx.database.read() as tx:
        steps = pace.newest(tx, now - HOURS, MOST_RUNS)
        due = [job for job in jobs.soonest(tx, now - OVERDUE, MOST_JOBS) if job.state is JobState.ACTIVE]
        where = runs.RunFilter(states=(RunState.QUEUED,))
        waiting = [run for run, _ in runs.page(tx, where, after=None, limit=MOST_WAITING)]
    hour = [step for step in steps if step.is_firing and step.scheduled_at >= now - HOUR]
    return Pace(
        now=now,
        scheduler=view,
        lag=lag(ctx=ctx),
        fired=sum(step.number for step in hour),
        exact=len(steps) < MOST_RUNS or len(hour) < len(steps),
        overdue=due,
        waiting=waiting,
        minutes=list(_minutes(steps, view.backlog, now)),
        read_seconds=ctx.clock.monotonic() - began,
    )


def _minutes(steps: Sequence[pace.Step], waiting: int, now: datetime) -> Iterable[Minute]:
    """Yield the minutes of three hours, or of as many as the newest runs reach back."""
    if not steps:
        return
    begin = now - HOURS if len(steps) < MOST_RUNS else max(now - HOURS, steps[0].scheduled_at)
    begin = begin.replace(second=0, microsecond=0) + MINUTE
    late: dict[datetime, list[float]] = {}
    changes: list[tuple[datetime, int]] = []
    for step in steps:
        if step.queued_at is None:
            continue
        if step.is_firing:
            minute = step.queued_at.replace(second=0, microsecond=0)
            late.setdefault(minute, []).append((step.queued_at - step.scheduled_at).total_seconds())
        if step.left_at is not None and step.left_at - step.queued_at < BRIEF:
            continue
        changes.append((max(step.queued_at, begin), 1))
        if step.left_at is not None:
            changes.append((max(step.left_at, begin), -1))
    before = waiting - sum(change for _, change in changes)
    most, waits, at = _most(sorted(changes), before), before, begin
    while at <= now:
        found = sorted(late.get(at, ()))
        highest, waits = most.get(at, (waits, waits))
        yield Minute(at=at, lag=percentile(found, 0.95) if found else None, backlog=highest)
        at += MINUTE


def _most(changes: Sequence[tuple[datetime, int]], before: int) -> dict[datetime, tuple[int, int]]:
    """Return for each minute with changes how many waited at most, and at its end."""
    found: dict[datetime, tuple[int, int]] = {}
    waits = before
    for at, change in changes:
        minute = at.replace(second=0, microsecond=0)
        waits += change
        found[minute] = max(found.get(minute, (0, 0))[0], waits), waits
    return found
