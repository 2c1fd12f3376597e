"""Stacked bars over the runs of a filter: about 85 of them, each of a round length; what went wrong hangs below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from scheduler_app.services.context import Context
from scheduler_app.services.histograms import histogram, summed
from scheduler_app.services.stats import Bucket, Tally
from scheduler_app.store.runs import RunFilter

BARS = 85
MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 10080)
USUAL = timedelta(minutes=10)
LABELS = 8
TALL, DEEP = 104.0, 26.0
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# by the minute it is known at least for two days how runs ended (minute_counts_hours)
FINE = timedelta(hours=47)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """What ended from a moment on, and how high it is drawn: in percent across, in pixels up and down."""

    at: datetime
    end: datetime
    tally: Tally
    x: float
    width: float
    good: float
    cancelled: float
    failed: float
    missed: float
    chosen: bool


@dataclass(frozen=True, kw_only=True)
class Bars:
    """The picture. `tally` is of the chosen part, which is all when nothing is chosen."""

    start: datetime
    width: timedelta
    bars: tuple[Bar, ...]
    tally: Tally
    span: timedelta
    chosen: tuple[float, float] | None
    labels: tuple[tuple[float, str], ...]
    most: int

    @property
    def total(self) -> int:
        """How many runs ended in the chosen part."""
        counted = self.tally
        return counted.succeeded + counted.failed + counted.missed + counted.skipped + counted.cancelled


def draw(where: RunFilter, now: datetime, zone: ZoneInfo, *, ctx: Context) -> Bars:
    """Return the bars around what a filter chooses; those of the last hours when it chooses no time."""
    where = replace(where, since=where.ended_since or where.since, until=where.ended_until or where.until)
    width, start, end = frame_of(where, now)
    counted = histogram(where, start, end, fine=width < HOUR, ctx=ctx)
    since, until = where.since or start, where.until or end
    size = MINUTE if width < HOUR else HOUR
    picked = summed(bucket for bucket in counted if bucket.at < until and bucket.at + size > since)
    is_chosen = where.since is not None or where.until is not None
    bars = tuple(_bars(counted, width, start, since, until))
    chosen = (_part(since, start, end), _part(until, start, end)) if is_chosen else None
    return Bars(
        start=start,
        width=width,
        bars=bars,
        tally=picked,
        span=min(until, end) - since,
        chosen=chosen,
        labels=tuple(labels_of(start, end, zone)),
        most=max((_good(bar.tally) for bar in bars), default=0),
    )


def frame_of(where: RunFilter, now: datetime) -> tuple[timedelta, datetime, datetime]:
    """Return how long a bar is, and the first and last moment of the picture."""
    end = _ceil(now, USUAL)
    start = end - BARS * USUAL
    since, until = where.since or (where.until or end) - BARS * USUAL, min(where.until or end, end)
    if since >= start:
        return USUAL, start, end
    span = max(until - since, MINUTE)
    least = 60 if since < now - FINE else 1
    minutes = next((m for m in MINUTES if m >= least and m * MINUTE * BARS >= span * 1.2), MINUTES[-1])
    width = timedelta(minutes=minutes)
    end = min(_ceil(until + span * 0.1, width), _ceil(now, width))
    return width, end - BARS * width, end


def _ceil(at: datetime, width: timedelta) -> datetime:
    seconds = int(width.total_seconds())
    return datetime.fromtimestamp(-(-int(at.timestamp()) // seconds) * seconds, tz=at.tzinfo)


def _bars(
    counted: Sequence[Bucket], width: timedelta, start: datetime, since: datetime, until: datetime
) -> Iterator[Bar]:
    tallies = [summed(part) for part in _parts(counted, width, start)]
    up = TALL / (max((_good(one) for one in tallies), default=0) or 1)
    down = DEEP / (max((one.failed + one.missed + one.skipped for one in tallies), default=0) or 1)
    for number, one in enumerate(tallies):
        at = start + number * width
        bad = max(6.0, one.failed * down) if one.failed else 0.0
        yield Bar(
            at=at,
            end=at + width,
            tally=one,
            x=100 * number / BARS,
            width=100 / BARS,
            good=max(1.0, one.succeeded * up) if one.succeeded else 0.0,
            cancelled=max(1.0, one.cancelled * up) if one.cancelled else 0.0,
            failed=bad,
            missed=max(6.0, (one.missed + one.skipped) * down) if one.missed + one.skipped else 0.0,
            chosen=since < at + width and at < until,
        )


def _good(one: Tally) -> int:
    return one.succeeded + one.cancelled


def _parts(counted: Sequence[Bucket], width: timedelta, start: datetime) -> list[list[Bucket]]:
    parts: list[list[Bucket]] = [[] for _ in range(BARS)]
    for bucket in counted:
        number = (bucket.at - start) // width
        if 0 <= number < BARS:
            parts[number].append(bucket)
    return parts


def _part(at: datetime, start: datetime, end: datetime) -> float:
    return 100 * min(1.0, max(0.0, (at - start) / (end - start)))


def labels_of(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[float, str]]:
    """Yield where a round time of the zone stands, and how it is told; a midnight is told as its day."""
    span = end - start
    minutes = next((m for m in MINUTES if span / timedelta(minutes=m) <= LABELS), MINUTES[-1])
    step = timedelta(minutes=minutes)
    local = start.astimezone(zone)
    at = local.replace(hour=0, minute=0, second=0, microsecond=0)
    while at < end:
        if at >= start and 2 < _part(at, start, end) < 96:
            midnight = at.hour == at.minute == 0
            yield _part(at, start, end), f"{at:%a} {at.day}" if midnight else f"{at:%H:%M}"
        at += step
