"""What every kind of trigger can answer, and the limits inside which it answers.

A schedule is a fixed set of firings on the time line. It is pure: the same question always has the same answer,
nothing here reads a clock. Times are aware UTC; no schedule has a firing before `FIRST` or at `END`.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from scheduler_app.errors import TriggerBudgetExceeded

FIRST = datetime(1900, 1, 1, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)
STEP_BUDGET = 10_000
TOO_MANY_STEPS = f"The trigger needed more than {STEP_BUDGET:,} steps to find its next time; simplify it."

Step = TypeVar("Step")
After = Callable[[datetime], datetime | None]


class Schedule(Protocol):
    """A set of firings that can be searched in both directions."""

    def after(self, moment: datetime) -> datetime | None:
        """Return the first firing strictly after `moment`, or None."""

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the last firing at or before `moment`, or None."""

    def first(self, now: datetime) -> datetime | None:
        """Return the first firing of a job that is admitted at `now`, or None."""

    def count(self, since: datetime, until: datetime) -> int | None:
        """Return how many firings lie from `since` to `until`, both included; None when over 10,000."""

    def describe(self) -> str:
        """Return the schedule in words."""

    def warnings(self, now: datetime) -> list[str]:
        """Return what a person may not expect of this schedule in the year after `now`."""


class Steps:
    """The steps that a search may still take."""

    def __init__(self, most: int = STEP_BUDGET) -> None:
        self._left = most

    def take(self) -> None:
        """Take one more; raises TriggerBudgetExceeded beyond the budget."""
        self._left -= 1
        if self._left < 0:
            raise TriggerBudgetExceeded(TOO_MANY_STEPS)


def budgeted(steps: Iterator[Step]) -> Iterator[Step]:
    """Pass `steps` on until the step budget of one search is used up, then raise."""
    for taken, step in enumerate(steps):
        if taken >= STEP_BUDGET:
            raise TriggerBudgetExceeded(TOO_MANY_STEPS)
        yield step


def count_by_walking(after: After, since: datetime, until: datetime) -> int | None:
    """Count the firings that `after` gives, from `since` (a firing) to `until` one by one; None when over 10,000."""
    counted = 0
    firing: datetime | None = since
    while firing is not None and firing <= until:
        counted += 1
        if counted > STEP_BUDGET:
            return None
        firing = after(firing)
    return counted
