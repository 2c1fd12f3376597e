"""Lines over time as pictures: across in 1000 units, down in pixels; lines keep their thickness when stretched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor, log10
from zoneinfo import ZoneInfo

TOP, ZERO = 14, 132
LINES = 3
LABELS = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A path, the same closed to an area, the scale at its side and the times below it, in percent."""

    path: str
    area: str
    scale: tuple[tuple[float, str], ...]
    labels: tuple[tuple[float, str], ...]
    told: str


def line(points: Sequence[tuple[datetime, float | None]], unit: str, least: float, zone: ZoneInfo) -> Line:
    """Return the line through points; it is broken where there is no value. `least` is the height that is shown."""
    values = [value for _, value in points if value is not None]
    step = _step(max([*values, least]))
    top = step * max(1, -(-max([*values, least]) // step))
    wide = 1000 / max(1, len(points) - 1)
    places = [(round(at * wide, 1), _y(value, top)) for at, (_, value) in enumerate(points) if value is not None]
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in places) if places else ""
    area = f"{path}L{places[-1][0]:g} {ZERO}L{places[0][0]:g} {ZERO}Z" if places else ""
    count = round(top / step)
    return Line(
        path=path,
        area=area,
        scale=tuple((_y(step * at, top), f"{step * at:g}") for at in range(1, count + 1)),
        labels=_labels(points, zone),
        told=f"at most {max(values):.3g} {unit}, now {values[-1]:.3g} {unit}" if values else "nothing yet",
    )


def _y(value: float, top: float) -> float:
    return round(ZERO - (ZERO - TOP) * value / top, 1)


def _step(most: float) -> float:
    """Return a round number, so that at most four lines reach what is most."""
    power = 10.0 ** floor(log10(most / LINES))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power * (LINES + 1) >= most))


def _labels(points: Sequence[tuple[datetime, float | None]], zone: ZoneInfo) -> tuple[tuple[float, str], ...]:
    if len(points) < 2:
        return ()
    first, last = points[0][0], points[-1][0]
    span = (last - first) / timedelta(seconds=1)
    at = first.replace(minute=first.minute // 30 * 30) + LABELS
    found = []
    while at < last - LABELS / 2:
        found.append((round(100 * (at - first).total_seconds() / span, 1), f"{at.astimezone(zone):%H:%M}"))
        at += LABELS
    return (*found, (100.0, "now"))
