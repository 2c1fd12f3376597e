"""The state line of a run: Scheduled, Queued, Running, Done; waits have a fixed width, the running part is to scale.

Places are percent of the width, so that text in the picture is never stretched.
"""

from dataclasses import dataclass
from datetime import datetime

from scheduler_app.dashboard.words import duration
from scheduler_app.domain.run import Run, RunState
from scheduler_app.domain.track import JobStats

SCHEDULED, QUEUED, BEGIN, END, DONE = 1.5, 15.0, 29.0, 88.0, 97.0
MOST_ATTEMPTS = 8
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


def line_of(run: Run, stats: JobStats, now: datetime) -> RunLine:
    """Return the state line of a run at a moment."""
    if run.started_at is None:
        queued = run.state is not RunState.SCHEDULED and run.queued_at is not None
        return RunLine(reached=QUEUED if queued else SCHEDULED, bars=(), ticks=(), now=None)
    running = run.state is RunState.RUNNING
    elapsed = max(0.0, ((run.finished_at or now) - run.started_at).total_seconds())
    if run.attempt > 1:
        bars = _attempts(run, elapsed)
        end = bars[-1].x + bars[-1].width
        return RunLine(reached=end, bars=bars, ticks=(), now=end if running else None)
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


def _attempts(run: Run, elapsed: float) -> tuple[Bar, ...]:
    """Return a bar for each attempt; how long the ones before the last took is not kept, so they are equally wide."""
    shown = min(run.attempt, MOST_ATTEMPTS)
    room = (END - BEGIN) / shown
    first = run.attempt - shown + 1
    return tuple(
        Bar(
            x=BEGIN + index * room,
            width=room * 0.7,
            state=run.state if number == run.attempt else "failed",
            label=f"attempt {number}" + (f" · {duration(elapsed)}" if number == run.attempt else ""),
        )
        for index, number in enumerate(range(first, run.attempt + 1))
    )
