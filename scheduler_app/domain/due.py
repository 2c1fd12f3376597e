"""What is due: which firings of a trigger lie behind, told without walking through all of them.

Firings are reckoned from the stored next time, never from the moment of looking, so that none is lost or doubled
however late the looking is.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.run import MissedRange
from scheduler_app.domain.schedule import STEP_BUDGET
from scheduler_app.domain.trigger import Trigger
from scheduler_app.values import value

MOST_PREVIEWED = 1000


@value
class Due:
    """The last firing that is due, the ones due before it, and the first that is not due yet."""

    latest: datetime
    earlier: MissedRange | None
    next: datetime | None


def due(trigger: Trigger, first: datetime, now: datetime) -> Due:
    """Tell the firings from `first`, the stored next time (not after `now`), up to `now`.

    `first` counts as a firing even when the trigger, read with newer zone data, no longer has it: it was promised.
    """
    following = trigger.after(first)
    if following is None or following > now:
        return Due(latest=first, earlier=None, next=following)
    latest = max(first, trigger.at_or_before(now) or first)
    earlier = _missed_before(trigger, first, latest) if latest > first else None
    return Due(latest=latest, earlier=earlier, next=trigger.after(now))


def missed_between(trigger: Trigger, first: datetime, until: datetime) -> tuple[MissedRange | None, datetime | None]:
    """Tell the firings from `first`, the stored next time, to `until`, both included, and the first one after that."""
    if first > until:
        return None, first
    last = max(first, trigger.at_or_before(until) or first)
    return MissedRange(since=first, until=last, count=_count(trigger, first, last)), trigger.after(until)


def newest(trigger: Trigger, first: datetime, until: datetime, most: int) -> tuple[list[datetime], MissedRange | None]:
    """Return the last `most` firings from `first`, the stored next time, to `until`, and the range of those before."""
    kept: list[datetime] = []
    firing = max(first, trigger.at_or_before(until) or first)
    while len(kept) < most:
        kept.append(firing)
        if firing == first:
            return kept[::-1], None
        firing = _one_before(trigger, first, firing)
    return kept[::-1], MissedRange(since=first, until=firing, count=_count(trigger, first, firing))


def preview(trigger: Trigger, after: datetime, count: int) -> list[datetime]:
    """Return the next `count` firings strictly after `after`, at most 1,000."""
    return list(islice(firings(trigger, after), max(0, min(count, MOST_PREVIEWED))))


def firings(trigger: Trigger, after: datetime) -> Iterator[datetime]:
    """Yield all firings strictly after `after`, in order."""
    firing = trigger.after(after)
    while firing is not None:
        yield firing
        firing = trigger.after(firing)


def _missed_before(trigger: Trigger, first: datetime, latest: datetime) -> MissedRange:
    until = _one_before(trigger, first, latest)
    return MissedRange(since=first, until=until, count=_count(trigger, first, until))


def _one_before(trigger: Trigger, first: datetime, firing: datetime) -> datetime:
    return max(first, trigger.at_or_before(firing - MICROSECOND) or first)


def _count(trigger: Trigger, first: datetime, last: datetime) -> int | None:
    following = trigger.after(first)
    if following is None or following > last:
        return 1
    further = trigger.schedule.count(following, last)
    return further + 1 if further is not None and further < STEP_BUDGET else None
