"""Results per hour as a picture: what went well above a line, what went wrong below it on a scale of its own.

Across, geometry is in percent of the width; down, in pixels: so nothing distorts, and words keep their size.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor, log10
from zoneinfo import ZoneInfo

from scheduler_app.clock import rfc3339
from scheduler_app.services.overview import HOUR, Facts
from scheduler_app.services.tape import summed

TOP, ZERO, BOTTOM = 16, 210, 274
DEEPEST = 36
GAP = 0.16
LINES = 3
LABEL_EVERY = 3


@dataclass(frozen=True, kw_only=True)
class Column:
    """One hour: `good`, `planned` and `bad` are heights in pixels."""

    x: float
    width: float
    middle: float
    start: str
    end: str
    told: str
    good: float
    planned: float
    running: bool
    bad: float
    failed: int
    missed: int
    missed_at: float
    label: str
    is_past: bool


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The picture; `scale` are heights with their numbers."""

    columns: tuple[Column, ...]
    scale: tuple[tuple[float, str], ...]
    now_at: float
    is_empty: bool
    zero: int = ZERO
    height: int = BOTTOM + 18


@dataclass(frozen=True, kw_only=True)
class Hour:
    """What an hour is made of."""

    at: datetime
    good: int = 0
    failed: int = 0
    missed: int = 0
    planned: int = 0


def chart(found: Facts, zone: ZoneInfo) -> Chart:
    """Return the picture of the last 24 hours and the next six."""
    hours = list(_hours(found))
    most = max(1, *(hour.good + hour.planned for hour in hours))
    worst = max(1, *(hour.failed for hour in hours))
    step = _step(most)
    top = ceil(most / step) * step
    columns = [_column(place, hour, found, zone, (len(hours), top, worst)) for place, hour in enumerate(hours)]
    past = len(found.hours) - 1 + (found.now - found.hours[-1].at) / HOUR
    return Chart(
        columns=tuple(columns),
        scale=tuple((ZERO - (ZERO - TOP) * at / top, f"{at:,}") for at in range(step, top + 1, step)),
        now_at=round(100 * past / len(hours), 2),
        is_empty=not any(hour.good + hour.failed + hour.missed + hour.planned for hour in hours),
    )


def _hours(found: Facts) -> Iterable[Hour]:
    following = found.hours[-1].at + HOUR
    rest = sum(at < following for one in found.coming.jobs for at in one.next_run_times)
    for bucket in found.hours:
        counts = summed([bucket])
        planned = rest if bucket is found.hours[-1] else 0
        missed = counts.missed + counts.skipped
        yield Hour(at=bucket.at, good=counts.succeeded, failed=counts.failed, missed=missed, planned=planned)
    for plan in found.plans:
        if plan.at >= following:
            yield Hour(at=plan.at, planned=plan.firings)


def _column(place: int, hour: Hour, found: Facts, zone: ZoneInfo, sizes: tuple[int, int, int]) -> Column:
    number, top, worst = sizes
    wide = 100 / number
    bad = max(4.0, DEEPEST * hour.failed / worst) if hour.failed else 0.0
    is_now = hour.at <= found.now < hour.at + HOUR
    return Column(
        x=round((place + GAP / 2) * wide, 2),
        width=round(wide * (1 - GAP), 2),
        middle=round((place + 0.5) * wide, 2),
        start=rfc3339(hour.at),
        end=rfc3339(hour.at + HOUR),
        told=_told(hour, zone),
        good=_height(hour.good, top),
        planned=_height(hour.planned, top),
        running=is_now and bool(found.seen.running),
        bad=round(bad, 1),
        failed=hour.failed,
        missed=hour.missed,
        missed_at=round(ZERO + 3 + (bad + 13 if hour.failed else 0), 1),
        label=_label(hour.at, zone),
        is_past=hour.at <= found.now,
    )


def _height(number: int, top: int) -> float:
    return round(max(1.5, (ZERO - TOP) * number / top), 1) if number else 0.0


def _label(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%H}" if local.hour % LABEL_EVERY == 0 else ""


def _told(hour: Hour, zone: ZoneInfo) -> str:
    begin = hour.at.astimezone(zone)
    parts = [
        f"{number:,} {name}"
        for number, name in (
            (hour.good, "succeeded"),
            (hour.failed, "failed"),
            (hour.missed, "missed or skipped"),
            (hour.planned, "planned"),
        )
        if number
    ]
    return f"{begin:%a %H:%M} to {begin + timedelta(hours=1):%H:%M}: {', '.join(parts) or 'nothing'}"


def _step(most: int) -> int:
    """Return the distance of two lines so that three or four of them reach what is most."""
    rough = most / LINES
    power = 10 ** floor(log10(rough)) if rough >= 1 else 1
    return int(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough))
