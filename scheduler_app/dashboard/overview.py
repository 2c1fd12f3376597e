"""Overview: is anything wrong now?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint

from scheduler_app.clock import rfc3339
from scheduler_app.dashboard import preferences, words
from scheduler_app.dashboard.first import show_first
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.hours import Chart, chart
from scheduler_app.dashboard.needs import Line, Reader, line_of
from scheduler_app.dashboard.tiles import Tile
from scheduler_app.domain.job import Job
from scheduler_app.domain.run import Progress, Reason, Run, RunState
from scheduler_app.domain.track import NO_STATS, JobStats
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import SchedulerError
from scheduler_app.services import overview
from scheduler_app.services.overview import DAY, Facts
from scheduler_app.services.scheduler import view_scheduler

MINUTE = timedelta(minutes=1)
MOST_NEEDS, MOST_RUNNING, MOST_NEXT = 7, 7, 7


@dataclass(frozen=True, kw_only=True)
class Running:
    """A run that runs, against what is usual; bar and ticks in percent of the width of the time bar."""

    run: Run
    job: Job | None
    elapsed: float
    stats: JobStats
    node: str
    percent: int | None

    @property
    def is_late(self) -> bool:
        """Whether it runs longer than the 95th percentile."""
        return self.over > 0

    @property
    def over(self) -> float:
        """By how many seconds it runs longer than the 95th percentile."""
        return 0.0 if self.stats.p95 is None else max(0.0, self.elapsed - self.stats.p95)

    @property
    def name(self) -> str:
        """The name of its job; the job may be gone."""
        return self.job.name if self.job else self.run.job_id

    def place(self, seconds: float) -> float:
        """Return how far along the bar a duration lies."""
        longest = max(self.elapsed, self.stats.p95 or 0.0) * 1.06 or 1.0
        return round(min(100.0, 100 * seconds / longest), 1)


@dataclass(frozen=True, kw_only=True)
class Coming:
    """A firing to come."""

    at: datetime
    job: Job
    schedule: str
    usual: float | None


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the page shows."""

    verdict: str
    rest: str
    tiles: tuple[Tile, ...]
    needs: tuple[Line, ...]
    more_needs: int
    last_failure: Run | None
    chart: Chart
    running: tuple[Running, ...]
    running_number: int
    coming: tuple[Coming, ...]
    coming_number: str


def register(pages: Blueprint) -> None:
    """Serve the page."""
    pages.add_url_rule("/", "show_overview", show_overview)


def show_overview() -> str:
    """Show what ran, what runs and what is wrong; in an empty store, how to get a job."""
    ctx = context()
    view = view_scheduler(ctx=ctx)
    if overview.is_empty(view):
        return show_first()
    return render("overview.html", page=page_of(overview.facts(view, ctx=ctx), preferences.zone()))


def page_of(found: Facts, zone: ZoneInfo) -> Page:
    """Return what the page shows of the facts."""
    verdict, rest = overview.verdict(found)
    reader = Reader(now=found.now, zone=zone)
    running = in_order(_running(found))
    number = sum(len(one.next_run_times) for one in found.coming.jobs)
    return Page(
        verdict=verdict,
        rest=rest,
        tiles=tuple(tiles(found, reader)),
        needs=tuple(line_of(need, reader) for need in found.needs[:MOST_NEEDS]),
        more_needs=max(0, len(found.needs) - MOST_NEEDS),
        last_failure=max(found.seen.failed, key=lambda run: run.id, default=None),
        chart=chart(found, zone),
        running=tuple(running[:MOST_RUNNING]),
        running_number=found.scheduler.open_runs.get(RunState.RUNNING, 0),
        coming=tuple(_coming(found))[:MOST_NEXT],
        coming_number=f"{number:,}{'' if found.coming.complete else '+'}",
    )


def in_order(running: Iterable[Running]) -> list[Running]:
    """Return what runs: what is longest past its p95 first, then the oldest."""
    return sorted(running, key=lambda one: (-one.over, -one.elapsed))


def tiles(found: Facts, reader: Reader) -> Iterable[Tile]:
    """Return the seven numbers."""
    yield _tile_running(found)
    yield _tile_queued(found)
    yield from _tiles_of_the_day(found)
    yield _tile_lag(found)
    yield _tile_engines(found, reader)


def _tiles_of_the_day(found: Facts) -> Iterable[Tile]:
    since = rfc3339((found.now - DAY).replace(second=0, microsecond=0) + MINUTE)
    last, before = found.day.last, found.day.before
    yield Tile(
        name="failed",
        title="Failed, 24 h",
        value=f"{last.failed:,}",
        note=f"the day before {before.failed:,}",
        tone="failed" if last.failed else "",
        shape="failed",
        states="failed,timed_out,lost",
        since=since,
    )
    jobs = len({run.job_key for run in found.seen.missed})
    yield Tile(
        name="missed",
        title="Missed, 24 h",
        value=f"{last.missed:,}",
        note=f"of {words.plural(jobs, 'job')}" if last.missed else "none",
        tone="missed" if last.missed else "",
        shape="missed",
        states="missed",
        since=since,
    )
    ended = last.succeeded + last.failed
    yield Tile(
        name="success",
        title="Success, 24 h",
        value=words.share(last.succeeded, ended),
        unit="%" if ended else "",
        note=f"of {words.plural(ended, 'run')}" if ended else "nothing ended",
        states="succeeded,failed,timed_out,lost",
        since=since,
    )


def _tile_running(found: Facts) -> Tile:
    slots = sum(told.get("slots", 0) for engine in found.scheduler.living for told in engine.executors.values())
    oldest = min((run.started_at for run in found.seen.running if run.started_at), default=None)
    longest = words.countdown((found.now - oldest).total_seconds()) if oldest else ""
    return Tile(
        name="running",
        title="Running",
        value=words.up_to(found.scheduler.open_runs.get(RunState.RUNNING, 0)),
        unit=f"of {words.plural(slots, 'slot')}",
        note=f"longest {longest}" if longest else "nothing runs",
        shape="running",
        states="running",
    )


def _tile_queued(found: Facts) -> Tile:
    number = found.scheduler.open_runs.get(RunState.QUEUED, 0)
    queued = [run.ready_at for run in found.waiting if run.state is RunState.QUEUED]
    blocked = [run for run in found.waiting if run.reason == Reason.BLOCKED]
    keys = {run.concurrency_key for run in blocked}
    whose = f"wait for key {next(iter(keys))}" if len(keys) == 1 and None not in keys else "wait for a place"
    oldest = f"oldest {words.duration(int((found.now - min(queued)).total_seconds()))}" if queued else ""
    note = oldest or (f"{len(blocked)} {whose}" if blocked else "nothing waits")
    return Tile(name="queued", title="Queued", value=words.up_to(number), note=note, shape="queued", states="queued")


def _tile_lag(found: Facts) -> Tile:
    p95, most = found.lag.p95, found.lag.max
    value, _, unit = words.duration(p95).partition(" ")
    note = f"max {words.duration(most)}" if most is not None else "nothing fired"
    return Tile(name="lag", title="Lag, p95 5 min", value=value, unit=unit, note=note, page="pages.show_scheduler")


def _tile_engines(found: Facts, reader: Reader) -> Tile:
    alive, gone = len(found.scheduler.alive), found.scheduler.gone
    ill = bool(gone) or not alive
    last = max(gone, key=lambda engine: engine.beat_at, default=None)
    note = f"{last.node} gone {reader.clock(last.beat_at)}" if last else "all alive" if alive else "none"
    return Tile(
        name="engines",
        title="Engines",
        value=f"{alive}",
        unit=f"of {alive + len(gone)}",
        note=note,
        tone="missed" if ill else "",
        shape="lost" if ill else "succeeded",
        page="pages.show_scheduler",
    )


def _running(found: Facts) -> Iterable[Running]:
    nodes = {engine.id: engine.node for engine in found.scheduler.engines}
    for run in found.seen.running:
        began = run.started_at or found.now
        yield Running(
            run=run,
            job=found.seen.jobs.get(run.job_key),
            elapsed=max(0.0, (found.now - began).total_seconds()),
            stats=found.seen.stats.get(run.job_key, NO_STATS),
            node=nodes.get(run.engine or 0, "—"),
            percent=percent_of(run.progress),
        )


def percent_of(progress: Progress | None) -> int | None:
    """Return how much of a run is done, as far as it tells."""
    if progress is None or not progress.total or progress.total <= 0:
        return None
    return int(min(100.0, max(0.0, 100 * progress.current / progress.total)))


def _coming(found: Facts) -> Sequence[Coming]:
    return [
        Coming(
            at=one.next_run_times[0],
            job=one.job,
            schedule=schedule_words(one.job),
            usual=found.usual.get(one.job.key, NO_STATS).usual,
        )
        for one in sorted(found.coming.jobs, key=lambda one: one.next_run_times[0])[:MOST_NEXT]
    ]


def schedule_words(job: Job) -> str:
    """Tell when a job fires, briefly."""
    if job.trigger is None:
        return "once"
    try:
        told = parse_trigger(job.trigger, now=job.created_at).describe()
    except SchedulerError as error:
        return error.detail
    told = told.partition(" (")[0].partition(", from ")[0]
    return told[:1].lower() + told[1:]
