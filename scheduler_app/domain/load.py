"""How often a job will fire, hour by hour."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.schedule import STEP_BUDGET
from scheduler_app.domain.trigger import Trigger

HOUR = timedelta(hours=1)


def per_hour(trigger: Trigger, first: datetime, end: datetime) -> Iterator[tuple[datetime, int]]:
    """Yield each hour in which a trigger fires from `first`, a firing of it, until before `end`, and how often.

    What fires more than 10,000 times an hour counts as that.
    """
    firing: datetime | None = first
    while firing is not None and firing < end:
        hour = firing.replace(minute=0, second=0, microsecond=0)
        until = min(hour + HOUR, end) - MICROSECOND
        number = trigger.schedule.count(firing, until)
        yield hour, STEP_BUDGET if number is None else number
        firing = trigger.after(until)
