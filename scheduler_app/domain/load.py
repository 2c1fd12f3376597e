"""How often a job will fire, hour by hour.

Intervals and what goes by the wall clock are counted by arithmetic, exactly. Of triggers that are combined, one that
fires more than 600 times in its first whole hour is taken to go on like that; above 10,000 an hour, 10,000 are told.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.combining import AllOf, AnyOf
from scheduler_app.domain.schedule import STEP_BUDGET
from scheduler_app.domain.trigger import Trigger

HOUR = timedelta(hours=1)
OFTEN = 600


def per_hour(trigger: Trigger, first: datetime, end: datetime) -> Iterator[tuple[datetime, int]]:
    """Yield each hour in which a trigger fires from `first`, a firing of it, until before `end`, and how often."""
    firing: datetime | None = first
    while firing is not None and firing < end:
        hour = hour_of(firing)
        until = min(hour + HOUR, end) - MICROSECOND
        number = trigger.schedule.count(firing, until)
        number = STEP_BUDGET if number is None else number
        yield hour, number
        if number > OFTEN and hour > hour_of(first) and isinstance(trigger.schedule, AllOf | AnyOf):
            yield from _steady(hour + HOUR, end, number)
            return
        firing = trigger.after(until)


def hour_of(moment: datetime) -> datetime:
    """Return the hour in which a moment lies."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _steady(hour: datetime, end: datetime, number: int) -> Iterator[tuple[datetime, int]]:
    while hour < end:
        yield hour, number
        hour += HOUR
