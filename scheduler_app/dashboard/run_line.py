"""The state line of a run: Scheduled, Queued, Running, Done; waits have a fixed width, the running part is to scale.

Places are percent of the width, so that text in the picture is never stretched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scheduler_app.dashboard.run_attempts import WAITING, Attempt
from scheduler_app.dashboard.words import duration
from scheduler_app.domain.run import Run, RunState
from scheduler_app.domain.track import JobStats

SCHEDULED, QUEUED, BEGIN, END, DONE = 1.5, 15.0, 29.0, 88.0, 97.0
LEAST, WAIT = 4.0, 3.0
CLOSE = 12.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Tick:
    """A mark on the running part; its label stands to the `anchor` of it."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """An attempt: from `x`, so wide, in the look of a state."""

    x: float
    width: float
    state: str
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RunLine:
    """What is drawn. `reached` is how far the line is solid, `now` where the now-line stands, if the run still runs."""

    reached: float
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    now: float | None


def line_of(run: Run, stats: JobStats, attempts: Sequence[Attempt], now: datetime) -> RunLine:
    """Return the state line of a run at a moment."""
    if not attempts:
        queued = run.state is not RunState.SCHEDULED and run.queued_at is not None
        return RunLine(reached=QUEUED if queued else SCHEDULED, bars=(), ticks=(), now=None)
    running = run.state is RunState.RUNNING
    if len(attempts) > 1 or run.started_at is None or run.state in WAITING:
        bars = _bars(attempts)
        end = bars[-1].x + bars[-1].width
        return RunLine(reached=end, bars=bars, ticks=(), now=end if running else None)
    elapsed = max(0.0, ((run.finished_at or now) - run.started_at).total_seconds())
    scale = (END - BEGIN) / (max(elapsed, stats.usual or 0.0, stats.p95 or 0.0) or 1.0)
    width = max(0.4, elapsed * scale)
    return RunLine(
        reached=BEGIN + width,
        bars=(Bar(x=BEGIN, width=width, state=run.state, label=duration(elapsed)),),
        ticks=_ticks(stats, scale),
        now=BEGIN + width if running else None,
    )


def _ticks(stats: JobStats, scale: float) -> tuple[Tick, ...]:
    if stats.usual is None or stats.p95 is None:
        return ()
    usual, p95 = BEGIN + stats.usual * scale, BEGIN + stats.p95 * scale
    near = p95 - usual < CLOSE
    before = "end" if near and usual - BEGIN > CLOSE else "middle"
    if near and before == "middle":  # no room for both
        return (
            Tick(x=usual, label="", anchor="middle"),
            Tick(x=p95, label=f"p95 {duration(stats.p95)}", anchor="start"),
        )
    return (
        Tick(x=usual, label=f"usual {duration(stats.usual)}", anchor=before),
        Tick(x=p95, label=f"p95 {duration(stats.p95)}", anchor="start" if near else "middle"),
    )


def _bars(attempts: Sequence[Attempt]) -> tuple[Bar, ...]:
    """Return a bar for each attempt, as wide as it took long; the waits between them are of one width."""
    known = sum(attempt.seconds or 0.0 for attempt in attempts) or 1.0
    to_scale = END - BEGIN - len(attempts) * (LEAST + WAIT)
    bars: list[Bar] = []
    for attempt in attempts:
        x = bars[-1].x + bars[-1].width + WAIT if bars else BEGIN
        took = "" if attempt.seconds is None else f" · {duration(attempt.seconds)}"
        width = LEAST + to_scale * (attempt.seconds or 0.0) / known
        bars.append(Bar(x=x, width=width, state=attempt.state, label=f"{attempt.number}{took}"))
    return tuple(bars)
