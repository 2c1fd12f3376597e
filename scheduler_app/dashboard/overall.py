"""Scheduler: is the scheduler itself well? And the pause that holds for everything."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from scheduler_app.dashboard import preferences, words
from scheduler_app.dashboard.crews import CeleryWorker, Engine, engines_of, workers_of
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.lines import Line, line
from scheduler_app.dashboard.needs import Reader
from scheduler_app.dashboard.tiles import Tile
from scheduler_app.domain.text import first_forbidden
from scheduler_app.errors import Fault, InvalidInput
from scheduler_app.services import engines
from scheduler_app.services import scheduler as service
from scheduler_app.services.overview import counted
from scheduler_app.services.pace import HOURS, MOST_WAITING, Pace, read_pace
from scheduler_app.services.stats import Pulse

MINUTE = timedelta(minutes=1)
MOST_LATE = 5.0
LONGEST_REASON = 1024


@dataclass(frozen=True, kw_only=True)
class Executor:
    """What is executed in one way, over all engines that live."""

    name: str
    running: int
    queued: str
    slots: int


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the page shows."""

    verdict: str
    rest: str
    tiles: tuple[Tile, ...]
    engines: tuple[Engine, ...]
    workers: tuple[CeleryWorker, ...]
    alive: int
    executors: tuple[Executor, ...]
    asks: str
    lag: Line
    backlog: Line


def register(pages: Blueprint) -> None:
    """Serve the page, and what can be done on it."""
    pages.add_url_rule("/scheduler", "show_scheduler", show_scheduler)
    pages.add_url_rule("/scheduler/pause", "pause_scheduler", pause_scheduler, methods=["POST"])
    pages.add_url_rule("/scheduler/resume", "resume_scheduler", resume_scheduler, methods=["POST"])
    for verb, view in (("drain", drain_engine), ("resume", resume_engine), ("forget", forget_engine)):
        path = f"/scheduler/engines/<int:engine_id>/{verb}"
        pages.add_url_rule(path, view.__name__, view, methods=["POST"])


def show_scheduler() -> str:
    """Show how the scheduler itself does."""
    ctx = context()
    found = read_pace(service.view_scheduler(ctx=ctx), ctx=ctx)
    return render("scheduler.html", page=page_of(found, preferences.zone()))


def pause_scheduler() -> Response:
    """Let nothing fire any more, for a reason."""
    reason = request.form.get("reason", "").strip()
    if not reason or len(reason.encode()) > LONGEST_REASON or first_forbidden(reason):
        detail = f"a pause of everything needs a reason, a line of at most {LONGEST_REASON} bytes"
        raise InvalidInput.of(Fault(pointer="/reason", detail=detail))
    service.pause_scheduler(reason=reason, ctx=context())
    return redirect(url_for("pages.show_scheduler"), 303)


def resume_scheduler() -> Response:
    """Let everything fire again."""
    service.resume_scheduler(ctx=context())
    return redirect(url_for("pages.show_scheduler"), 303)


def drain_engine(engine_id: int) -> Response:
    """Let an engine take no new runs."""
    engines.drain_engine(engine_id, ctx=context())
    return redirect(url_for("pages.show_scheduler"), 303)


def resume_engine(engine_id: int) -> Response:
    """Let an engine take runs again."""
    engines.resume_engine(engine_id, ctx=context())
    return redirect(url_for("pages.show_scheduler"), 303)


def forget_engine(engine_id: int) -> Response:
    """List an engine that is gone no more."""
    engines.forget_engine(engine_id, ctx=context())
    return redirect(url_for("pages.show_scheduler"), 303)


def page_of(found: Pace, zone: ZoneInfo) -> Page:
    """Return what the page shows of the facts."""
    reader = Reader(now=found.now, zone=zone)
    verdict, rest = verdict_of(found, reader)
    minutes = list(_minutes(found))
    return Page(
        verdict=verdict,
        rest=rest,
        tiles=tuple(_tiles(found, reader)),
        engines=tuple(engines_of(found.scheduler)),
        workers=tuple(workers_of(found.scheduler)),
        alive=len(found.scheduler.alive),
        executors=tuple(_executors(found)),
        lag=line([(at, one.lag.p95 if one else None) for at, one in minutes], "s", 0.1, zone),
        backlog=line([(at, _backlog(one)) for at, one in minutes], "runs", 4.0, zone),
        asks=request.args.get("ask", ""),
    )


def _minutes(found: Pace) -> Iterable[tuple[datetime, Pulse | None]]:
    """Yield the minutes of three hours, with what is known of each; the present one is not over."""
    known = {one.at: one for one in found.pulses}
    last = found.now.replace(second=0, microsecond=0) - MINUTE
    for number in range(int(HOURS / MINUTE)):
        at = last - HOURS + (number + 1) * MINUTE
        yield at, known.get(at)


def _backlog(one: Pulse | None) -> float | None:
    return None if one is None or one.backlog is None else float(one.backlog)


def verdict_of(found: Pace, reader: Reader) -> tuple[str, str]:
    """Return in a sentence whether the scheduler is well, and what more is worth a line."""
    alive, gone = found.scheduler.alive, found.scheduler.gone
    left = _left(found, reader)
    if not alive:
        return "No engine is alive: nothing fires and nothing runs.", left or "Start one with scheduler-app serve."
    if found.scheduler.paused:
        return "Firing is paused. Running work goes on.", left
    drained = len(found.scheduler.drained)
    if drained == len(alive):
        return "Every engine is drained: jobs fire, and nothing starts.", left
    if found.punctuality.overdue:
        number = found.punctuality.overdue
        since = found.overdue.next_run_time if found.overdue else None
        by = f", by up to {words.duration((found.now - since).total_seconds())}" if since else ""
        return f"{counted(number).capitalize()} {'job is' if number == 1 else 'jobs are'} overdue{by}.", left
    if (found.lag.p95 or 0) > MOST_LATE:
        return f"Jobs fire late: {words.duration(found.lag.p95)} after they are due.", left
    told = f" {left}" if gone else ""
    rest = f"{counted(len(alive)).capitalize()} {'engine fires' if len(alive) == 1 else 'engines fire'} and execute"
    rest += "s." if len(alive) == 1 else "; each may do any step."
    rest += f" {counted(drained).capitalize()} of them {'is' if drained == 1 else 'are'} drained." if drained else ""
    return f"The scheduler is healthy.{told}", rest


def _left(found: Pace, reader: Reader) -> str:
    gone = found.scheduler.gone
    if not gone:
        return ""
    last = reader.clock(max(engine.beat_at for engine in gone))
    if len(gone) == 1:
        return f"One engine left at {last}."
    return f"{counted(len(gone)).capitalize()} engines left, the last at {last}."


def _tiles(found: Pace, reader: Reader) -> Iterable[Tile]:
    value, _, unit = words.duration(found.lag.p95).partition(" ")
    most = "nothing fired" if found.lag.max is None else f"max {words.duration(found.lag.max)}"
    yield Tile(name="lag", title="Lag, p95 5 min", value=value, unit=unit, note=most)
    oldest = min((run.ready_at for run in found.waiting), default=None)
    note = f"oldest {words.countdown((found.now - oldest).total_seconds())}" if oldest else "nothing waits"
    yield Tile(name="backlog", title="Backlog", value=words.up_to(found.scheduler.backlog), note=note, states="queued")
    due, fired = found.punctuality.overdue, found.punctuality.fired
    held = bool(due and found.scheduler.paused)
    tone = "failed" if due and not held else ""
    note = "held by the pause" if held else "due and not fired"
    yield Tile(name="overdue", title="Overdue jobs", value=f"{due:,}", note=note, tone=tone)
    note = f"due {found.punctuality.due:,}, {f'{due:,} missing' if due else 'none missing'}"
    yield Tile(name="fired", title="Fired, 1 h", value=f"{fired:,}", note=note, tone=tone)
    passed = max((engine.last_pass_at for engine in found.scheduler.alive if engine.last_pass_at), default=None)
    ago = words.duration(max(0.0, (found.now - passed).total_seconds())) if passed else "—"
    value, _, unit = ago.partition(" ")
    yield Tile(
        name="pass", title="Last pass", value=value, unit=f"{unit} ago" if passed else "", note="as of the last beat"
    )
    slowest = max((engine.commit_seconds for engine in found.scheduler.alive if engine.commit_seconds), default=None)
    value, unit = (f"{slowest * 1000:.1f}", "ms") if slowest else ("—", "")
    yield Tile(name="commit", title="Commit", value=value, unit=unit, note="of the slowest engine")


def _executors(found: Pace) -> Iterable[Executor]:
    more = "+" if len(found.waiting) >= MOST_WAITING else ""
    names = sorted(
        {name for engine in found.scheduler.living for name in engine.executors},
        key=("thread", "process", "celery").index,
    )
    for name in names:
        yield Executor(
            name=name,
            running=sum(found.scheduler.holdings.get(engine.id, {}).get(name, 0) for engine in found.scheduler.living),
            queued=f"{sum(run.executor == name for run in found.waiting)}{more}",
            slots=sum(engine.executors.get(name, {}).get("slots", 0) for engine in found.scheduler.living),
        )
