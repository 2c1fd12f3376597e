"""The next times of a job: with breaks between days, and marks where a clock is changed or a firing is left out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from scheduler_app.dashboard import words

SECOND = timedelta(seconds=1)
# with the job itself as many as collide on the Timeline
CROWD = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Time:
    """A firing to come; `day` only where another day begins, `mark` what is special about it."""

    at: datetime
    day: str | None
    clock: str
    abbreviation: str
    mark: str | None


def times_of(
    times: Sequence[datetime], *, skips: int, zone: ZoneInfo, year: bool = False, others: Sequence[int] = ()
) -> list[Time]:
    """Return firings as a list that people read; the first `skips` will be skipped, with each `others` collide."""
    locals_ = [at.astimezone(zone) for at in times]
    usual = Counter(f"{local:%H:%M}" for local in locals_).most_common(1)
    always = usual[0][0] if usual and usual[0][1] >= len(times) - 2 and len(times) > 2 else None
    found: list[Time] = []
    for n, (at, local) in enumerate(zip(times, locals_, strict=True)):
        is_new = n == 0 or local.date() != locals_[n - 1].date()
        told = words.day(at, zone) + (f" {local.year}" if year else "")
        found.append(
            Time(
                at=at,
                day=told if is_new else None,
                clock=f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}",
                abbreviation=local.tzname() or "",
                mark="will be skipped" if n < skips else change_of(at, zone, always) or _crowd(others[n : n + 1]),
            )
        )
    return found


def _crowd(others: Sequence[int]) -> str | None:
    return f"{others[0]} others" if others and others[0] >= CROWD else None


def change_of(at: datetime, zone: ZoneInfo, always: str | None = None) -> str | None:
    """Return what a change of the clock does to a firing; `always` is the time of day at which the others are."""
    local, before = at.astimezone(zone), (at - SECOND).astimezone(zone)
    gap = (local.utcoffset() or timedelta()) - (before.utcoffset() or timedelta())
    if gap > timedelta():
        missing = always if always and always != f"{local:%H:%M}" else f"{before + SECOND:%H:%M}"
        return f"{missing} does not exist"
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        return f"{local:%H:%M} comes twice"
    return None
