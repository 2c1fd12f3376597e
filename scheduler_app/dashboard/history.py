"""The picture of a job's last 90 runs: one column is one run; duration, result and lateness share it.

Across, all is in percent, so that the picture fills any width and no text is stretched; down, in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from scheduler_app.dashboard import words
from scheduler_app.domain.run import Run, RunState
from scheduler_app.domain.track import FAILURES, JobStats, Mark, usual

FEWEST = 30
MOVING = 30
TOP, FLOOR = 12, 192
RESULT, RESULT_HEIGHT = 206, 12
LATE_FLOOR, LATE_HEIGHT = 256, 24
AXIS, HEIGHT = 272, 280
OUTLIER = 3.0
STEPS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(minute * 60 for minute in (1, 2, 5, 10, 15, 30)),
    *(hour * 3600 for hour in (1, 2, 3, 6, 12, 24, 48, 96, 240, 720)),
)
LINES = 3
LATE = 1.0
UNSTARTED = frozenset({RunState.MISSED, RunState.SKIPPED})
DAYS_APART = 9.0
SHORT = timedelta(hours=36)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One run: where it stands, its bar from `y` down, its lateness, what is told of it."""

    run_id: int
    x: float
    width: float
    state: str
    y: int | None
    late: int
    is_late: bool
    is_over: bool
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A horizontal line with what stands beside it."""

    y: int
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stroke:
    """A part of a line that moves from column to column."""

    x1: float
    y1: int
    x2: float
    y2: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """Where a day begins."""

    x: float
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """Columns, the lines of the scale, and the days below; p50 and p95, of all and as they moved."""

    columns: list[Column]
    scale: list[Line]
    p50: Line | None
    p95: Line | None
    p50_moved: list[Stroke]
    p95_moved: list[Stroke]
    days: list[Day]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scale:
    longest: float
    latest: float

    def y(self, seconds: float) -> int:
        return FLOOR - round(min(1.0, seconds / self.longest) * (FLOOR - TOP))

    def late(self, seconds: float) -> int:
        return max(1, round(min(1.0, seconds / self.latest) * LATE_HEIGHT))


def picture_of(stats: JobStats, running: Sequence[Run], *, now: datetime, zone: ZoneInfo) -> Picture:
    """Return the picture of the runs that are kept in a job's track record, and of those that run now."""
    marks = [*stats.strip, *(_mark(run, now) for run in reversed(running))][-90:]
    scale = _scale(stats, marks)
    slots = max(FEWEST, len(marks))
    return Picture(
        columns=[
            _column(mark, 100 * n / slots, 100 / slots, scale, _told(mark, now, zone)) for n, mark in enumerate(marks)
        ],
        scale=[Line(y=scale.y(at), told=words.duration(at).replace(".0 s", " s")) for at in _ticks(scale.longest)],
        p50=None if stats.usual is None else Line(y=scale.y(stats.usual), told=words.duration(stats.usual)),
        p95=None if stats.p95 is None else Line(y=scale.y(stats.p95), told=words.duration(stats.p95)),
        p50_moved=_moved(marks, 0.5, slots, scale),
        p95_moved=_moved(marks, 0.95, slots, scale),
        days=_days(marks, slots, zone),
    )


def _moved(marks: Sequence[Mark], part: float, slots: int, scale: _Scale) -> list[Stroke]:
    """Return the line through what was usual at each column: a percentile of the last 30 that had succeeded by then."""
    took: list[float] = []
    strokes: list[Stroke] = []
    before: tuple[float, int] | None = None
    for number, mark in enumerate(marks):
        if mark.state is RunState.SUCCEEDED and mark.duration is not None:
            took = [*took[-MOVING + 1 :], mark.duration]
        value = usual(took, part)
        here = None if value is None else (round(100 * (number + 0.41) / slots, 2), scale.y(value))
        if here is not None and before is not None:
            _extend(strokes, Stroke(x1=before[0], y1=before[1], x2=here[0], y2=here[1]))
        before = here
    return strokes


def _extend(strokes: list[Stroke], stroke: Stroke) -> None:
    """Add a stroke; what stays level is one."""
    if strokes and strokes[-1].y1 == stroke.y1 == stroke.y2:
        stroke = replace(stroke, x1=strokes.pop().x1)
    strokes.append(stroke)


def _mark(run: Run, now: datetime) -> Mark:
    elapsed = None if run.started_at is None else max(0.0, (now - run.started_at).total_seconds())
    return Mark(run_id=run.id, state=run.state, duration=elapsed, lateness=run.lateness, scheduled_at=run.scheduled_at)


def _scale(stats: JobStats, marks: Sequence[Mark]) -> _Scale:
    """One run that took very long does not make all the others flat: what is beyond is cut at the top."""
    longest = max((mark.duration or 0 for mark in marks), default=0) or 1
    if stats.p95:
        longest = min(longest, OUTLIER * stats.p95)
    return _Scale(longest=longest * 1.05, latest=max(LATE, *(mark.lateness or 0 for mark in marks), 0))


def _ticks(longest: float) -> list[float]:
    step = next((step for step in STEPS if longest / step <= LINES + 0.9), STEPS[-1])
    return [step * n for n in range(1, int(longest / step) + 1)][: LINES + 1]


def _column(mark: Mark, x: float, width: float, scale: _Scale, told: str) -> Column:
    return Column(
        run_id=mark.run_id,
        x=round(x, 3),
        width=round(width * 0.82, 3),
        state=mark.state,
        y=None if mark.duration is None or mark.state in UNSTARTED else min(FLOOR - 2, scale.y(mark.duration)),
        late=0 if mark.lateness is None else scale.late(mark.lateness),
        is_late=(mark.lateness or 0) > LATE,
        is_over=(mark.duration or 0) > scale.longest,
        told=told,
    )


def _told(mark: Mark, now: datetime, zone: ZoneInfo) -> str:
    at = words.clock(mark.scheduled_at, now, zone)
    if mark.state in UNSTARTED:
        return f"{at} · {mark.state}, never started"
    took = "for" if mark.state is RunState.RUNNING else "after" if mark.state in FAILURES else "in"
    late = "" if mark.lateness is None else f", {words.duration(mark.lateness)} late"
    return (
        f"{at} · {mark.state}"
        + (f" {took} {words.duration(mark.duration)}" if mark.duration is not None else "")
        + late
    )


def _days(marks: Sequence[Mark], slots: int, zone: ZoneInfo) -> list[Day]:
    """Return the days, of a short time the hours, below the columns on which they begin, as far apart as need be."""
    days: list[Day] = []
    last = None
    is_short = bool(marks) and marks[-1].scheduled_at - marks[0].scheduled_at < SHORT
    for n, mark in enumerate(marks):
        local = mark.scheduled_at.astimezone(zone)
        begin, x = (local.date(), local.hour if is_short else 0), 100 * n / slots
        if begin != last and (not days or x - days[-1].x >= DAYS_APART) and x <= 94:
            is_day = not is_short or last is None or begin[0] != last[0]
            days.append(Day(x=round(x, 3), told=f"{local.day} {local:%b}" if is_day else f"{local:%H:%M}"))
        last = begin
    return days
