"""The tape as a picture: 40 minutes back, 22 ahead, now at 64 % of its width; and the same in words.

Geometry is stretched to the width of the page, of 1000 units; lines keep their thickness, and words stand beside it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log2
from zoneinfo import ZoneInfo

from scheduler_app.dashboard import words
from scheduler_app.services.tape import AHEAD, BACK, Tape

WIDTH, NOW_AT = 1000.0, 640.0
BASE, TALLEST, LANES = 33.0, 13.0, 3
CELL = 4.0
LABEL_EVERY = timedelta(minutes=10)
NEAR_NOW, NARROW = 6.0, 17.0


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A hatched bar of what runs."""

    x: float
    y: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Paths of ticks, bars, and labels at a part of the width in percent, with whether they are near the clock."""

    succeeded: str
    failed: str
    planned: str
    running: tuple[Lane, ...]
    labels: tuple[tuple[float, str, bool], ...]
    clock: str
    told: str


def draw(tape: Tape, zone: ZoneInfo) -> Drawn:
    """Return the picture of a tape."""
    return Drawn(
        succeeded=_ticks(tape, failed=False),
        failed=_ticks(tape, failed=True),
        planned=_planned(tape),
        running=tuple(_lanes(tape)),
        labels=tuple(_labels(tape.now, zone)),
        clock=f"{tape.now.astimezone(zone):%H:%M:%S}",
        told=tell(tape),
    )


def tell(tape: Tape) -> str:
    """Tell a tape in words."""
    ended = [f"{number:,} {name}" for name, number in _told(tape) if number] or ["nothing ended"]
    planned = f"{len(tape.planned):,}{'' if tape.is_whole else '+'} planned" if tape.planned else "nothing planned"
    running = f" {words.plural(len(tape.running), 'run')} now." if tape.running else ""
    return f"Last 40 minutes: {', '.join(ended)}.{running} Next 22 minutes: {planned}. Open the timeline"


def _told(tape: Tape) -> Iterable[tuple[str, int]]:
    counts = tape.counts
    return ("succeeded", counts.succeeded), ("failed", counts.failed), ("missed", counts.missed)


def _x(at: datetime, now: datetime) -> float:
    """Return where a moment lies; what lies outside is put at the edge."""
    away = (at - now).total_seconds()
    span, room = (BACK, NOW_AT) if away < 0 else (AHEAD, WIDTH - NOW_AT)
    return min(WIDTH, max(0.0, NOW_AT + away / span.total_seconds() * room))


def _cell(at: datetime, now: datetime) -> float:
    """Return the left edge of the cell that a moment is in, so that ticks never overlap."""
    return _x(at, now) // CELL * CELL


def _ticks(tape: Tape, *, failed: bool) -> str:
    cells: dict[float, int] = {}
    for ended in tape.ended:
        if ended.failed == failed:
            x = _cell(ended.at, tape.now)
            cells[x] = cells.get(x, 0) + ended.number
    return "".join(_failed(x) if failed else f"M{x:g} {BASE:g}v-{_height(n):g}" for x, n in sorted(cells.items()))


def _planned(tape: Tape) -> str:
    cells: dict[float, int] = {}
    for at in tape.planned:
        x = _cell(at, tape.now)
        cells[x] = cells.get(x, 0) + 1
    return "".join(f"M{x + 0.5:g} {BASE:g}v-{_height(n):g}h3v{_height(n):g}" for x, n in sorted(cells.items()))


def _height(number: int) -> float:
    return round(min(TALLEST, 5.0 + 2.5 * log2(number)), 1)


def _failed(x: float) -> str:
    """Return a tick twice as tall as the tallest of the others, with a cut in it."""
    return f"M{x:g} {BASE:g}v-17M{x:g} {BASE - 20:g}v-6"


def _lanes(tape: Tape) -> Iterable[Lane]:
    shown: Sequence[datetime] = tape.running[:LANES]
    for place, begin in enumerate(shown):
        x = min(_x(begin, tape.now), NOW_AT - 3)
        yield Lane(x=round(x, 1), y=4 + 6 * place, width=round(NOW_AT - x, 1))


def _labels(now: datetime, zone: ZoneInfo) -> Iterable[tuple[float, str, bool]]:
    """Yield the full ten minutes, except where they would stand in the way of the clock."""
    local = now.astimezone(zone)
    at = local.replace(minute=local.minute // 10 * 10, second=0, microsecond=0) - 4 * LABEL_EVERY
    for _ in range(8):
        percent = _x(at, now) / 10
        if 3 < percent < 98 and abs(percent - NOW_AT / 10) > NEAR_NOW:
            yield round(percent, 1), f"{at:%H:%M}", abs(percent - NOW_AT / 10) < NARROW
        at += LABEL_EVERY
