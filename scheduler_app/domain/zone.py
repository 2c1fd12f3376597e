"""Time zones as a chain of spans, in each of which local time and UTC differ by one fixed offset.

Python's `zoneinfo` answers "what is the offset at this instant" but does not tell when it changes. `spans` finds the
changes of one year by probing and bisecting, and remembers them: searching firings then needs no probing at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import tzdata

from scheduler_app.clock import rfc3339
from scheduler_app.domain.schedule import END, FIRST

SECOND = timedelta(seconds=1)
# cron(8): smaller changes of local time are daylight saving, larger ones are corrections and count at once.
LARGEST_SHIFT = timedelta(hours=3)
# No zone changes its offset twice within this time (checked against every zone by a test).
PROBE = timedelta(hours=48)
NOT_A_PLACE = frozenset({"localtime", "posixrules", "Factory"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """From `start` to before `end` (naive UTC), local time is UTC plus `offset`.

    `fresh` is the first local time that is new here: after a change forward the begin of the gap, after a change
    backward the end of the hour that comes twice, else the local time of `start`.
    """

    start: datetime
    end: datetime
    offset: timedelta
    fresh: datetime


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the name of every IANA zone that this machine knows."""
    return frozenset(available_timezones() - NOT_A_PLACE)


@lru_cache(maxsize=1)
def _packaged_names() -> frozenset[str]:
    """Return those of them that the package tzdata has: it lists them, where each file of a machine's is looked at."""
    return frozenset(Path(tzdata.__file__).with_name("zones").read_text("ascii").split()) - NOT_A_PLACE


@lru_cache(maxsize=1024)
def find_zone(name: str) -> ZoneInfo | None:
    """Return the zone of that exact name, or None; the name is never looked up as a file."""
    return ZoneInfo(name) if name in _packaged_names() or name in zone_names() else None


def in_zone(moment: datetime, zone: ZoneInfo) -> str:
    """Return `moment` as RFC 3339 text with the offset of `zone`, or `Z` where that has no whole minutes."""
    if zone.key == "UTC":
        return rfc3339(moment)
    text = moment.astimezone(zone).isoformat()
    return text if text.count(":") == 3 else rfc3339(moment)


@lru_cache(maxsize=8192)
def spans(zone: ZoneInfo, year: int) -> tuple[Span, ...]:
    """Return the spans of one UTC year, in order."""
    begin, end = (FIRST.replace(year=start, tzinfo=None) for start in (year, year + 1))
    starts = [begin, *_changes(zone, begin, end)]
    return tuple(
        Span(start=start, end=stop, offset=_offset(zone, start), fresh=_fresh(zone, start))
        for start, stop in zip(starts, [*starts[1:], end], strict=True)
    )


def spans_from(zone: ZoneInfo, moment: datetime) -> Iterator[Span]:
    """Yield the span that holds `moment` (naive UTC) and those after it, up to the end of time."""
    for year in range(moment.year, END.year):
        yield from (span for span in spans(zone, year) if span.end > moment)


def span_of(zone: ZoneInfo, moment: datetime) -> Span | None:
    """Return the span that holds `moment` (naive UTC); None at the end of time."""
    if moment.year >= END.year:
        return None
    for span in spans(zone, moment.year):
        if span.end > moment:
            return span
    return None


def spans_back_from(zone: ZoneInfo, moment: datetime) -> Iterator[Span]:
    """Yield the span that holds `moment` (naive UTC) and those before it, down to the begin of time."""
    for year in range(moment.year, FIRST.year - 1, -1):
        yield from (span for span in reversed(spans(zone, year)) if span.start <= moment)


def _changes(zone: ZoneInfo, begin: datetime, end: datetime) -> list[datetime]:
    probes = [*(begin + PROBE * number for number in range((end - begin) // PROBE + 1)), end - SECOND]
    return [
        _change_between(zone, before, after)
        for before, after in pairwise(sorted(probes))
        if _offset(zone, before) != _offset(zone, after)
    ]


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    old = _offset(zone, before)
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        before, after = (middle, after) if _offset(zone, middle) == old else (before, middle)
    return after


def _fresh(zone: ZoneInfo, start: datetime) -> datetime:
    old, new = _offset(zone, start - SECOND), _offset(zone, start)
    return start + (old if abs(new - old) <= LARGEST_SHIFT else new)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    local = moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    return local - moment
