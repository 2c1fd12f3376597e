"""When the clocks of a zone change next, by the zone's own data."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from scheduler_app.domain.spec import nearest
from scheduler_app.domain.zone import Span, find_zone, spans, zone_names

YEARS_AHEAD = 12
Change = tuple[Span, Span]


def next_gap(name: str, after: datetime) -> datetime:
    """Return when a zone's clocks are next put forward, at `after` or later: local times that do not exist follow.

    Raises ValueError for what is no zone, and for one whose clocks are not put forward in the next twelve years.
    """
    return _next_change(name, after, forward=True)


def next_overlap(name: str, after: datetime) -> datetime:
    """Return when a zone's clocks are next put back, at `after` or later: local times that come twice.

    Raises ValueError for what is no zone, and for one whose clocks are not put back in the next twelve years.
    """
    return _next_change(name, after, forward=False)


def changes_between(name: str, begin: datetime, end: datetime) -> list[tuple[datetime, timedelta, timedelta]]:
    """Return each change of a zone's clocks from `begin` to `end`: when, and the offsets before and after it."""
    return [
        (after.start.replace(tzinfo=UTC), before.offset, after.offset)
        for before, after in _changes(name, begin.year - 1, end.year)
        if begin <= after.start.replace(tzinfo=UTC) <= end
    ]


def _next_change(name: str, after: datetime, *, forward: bool) -> datetime:
    for before, span in _changes(name, after.year - 1, after.year + YEARS_AHEAD):
        moment = span.start.replace(tzinfo=UTC)
        if moment >= after and (span.offset > before.offset) == forward:
            return moment
    way = "forward" if forward else "back"
    raise ValueError(
        f"the clocks of {name} are not put {way} from {after.date()} to {after.year + YEARS_AHEAD}; "
        "Europe/Berlin and America/New_York are zones where they are"
    )


def _changes(name: str, first: int, last: int) -> list[Change]:
    zone = find_zone(name)
    if zone is None:
        raise ValueError(f"{name!r} is no IANA zone like Europe/Berlin{nearest(str(name), zone_names())}")
    chain = [span for year in range(first, last + 1) for span in spans(zone, year)]
    return [(before, after) for before, after in pairwise(chain) if before.offset != after.offset]
