"""The triggers `or` and `and`: when any, or when all, of some triggers fire.

`or` is the union of the firings, `and` what they have in common. `and` goes to the latest of the next times until all
agree, which may never be; so a search counts each time that it asks one of the triggers, the nested ones included, and
ends with TriggerBudgetExceeded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.schedule import FIRST, STEP_BUDGET, Schedule, Steps
from scheduler_app.domain.spec import Spec, shown
from scheduler_app.errors import Fault, InvalidTrigger, TriggerBudgetExceeded

DEEPEST = 4
MOST_TRIGGERS = 50
COMBINING = ("and", "or")
ReadChild = Callable[[Mapping[str, object], datetime], tuple[dict[str, object], Schedule]]


@dataclass(frozen=True, kw_only=True)
class Combined:
    """A schedule made of others."""

    joint: ClassVar[str]
    parts: Sequence[Schedule]

    def after(self, moment: datetime) -> datetime | None:
        """Return the first firing strictly after `moment`."""
        return self.search_on(moment, Steps())

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the last firing at or before `moment`."""
        return self.search_back(moment, Steps())

    def count(self, since: datetime, until: datetime) -> int | None:
        """Return how many firings lie from `since` (a firing) to `until`; None when over 10,000 or not soon told."""
        counted, firing = 0, since
        steps = Steps(STEP_BUDGET * (len(self.parts) + 1))
        try:
            while firing <= until:
                counted += 1
                if counted > STEP_BUDGET:
                    return None
                following = self.search_on(firing, steps)
                if following is None:
                    break
                firing = following
        except TriggerBudgetExceeded:
            return None
        return counted

    def search_on(self, moment: datetime, steps: Steps) -> datetime | None:
        """Return the first firing strictly after `moment`, on a shared budget."""
        raise NotImplementedError

    def search_back(self, moment: datetime, steps: Steps) -> datetime | None:
        """Return the last firing at or before `moment`, on a shared budget."""
        raise NotImplementedError

    def first(self, now: datetime) -> datetime | None:
        """Return the first firing at or after `now`."""
        return self.after(now - MICROSECOND)

    def describe(self) -> str:
        """Return it in words."""
        said = f"; {self.joint} ".join(_lower(part.describe()) for part in self.parts)
        return said[:1].upper() + said[1:]

    def warnings(self, now: datetime) -> list[str]:
        """Return what its parts warn of."""
        return [f"Of trigger {at}: {text}" for at, part in enumerate(self.parts) for text in part.warnings(now)]


@dataclass(frozen=True, kw_only=True)
class AnyOf(Combined):
    """Fires when one of its parts does, once when several do."""

    joint = "or"

    def search_on(self, moment: datetime, steps: Steps) -> datetime | None:
        """Return the earliest of the next times."""
        found = [_on(part, moment, steps) for part in self.parts]
        return min((firing for firing in found if firing is not None), default=None)

    def search_back(self, moment: datetime, steps: Steps) -> datetime | None:
        """Return the latest of the last times."""
        found = [_back(part, moment, steps) for part in self.parts]
        return max((firing for firing in found if firing is not None), default=None)


@dataclass(frozen=True, kw_only=True)
class AllOf(Combined):
    """Fires when all its parts do, at the same instant."""

    joint = "and"

    def search_on(self, moment: datetime, steps: Steps) -> datetime | None:
        """Go to the latest of the next times until all agree."""
        moment = max(moment, FIRST - MICROSECOND)
        agreed = 0
        wanted: datetime | None = None
        while agreed < len(self.parts):
            for part in self.parts:
                firing = _on(part, moment if wanted is None else wanted - MICROSECOND, steps)
                if firing is None:
                    return None
                agreed = agreed + 1 if firing == wanted else 1
                wanted = firing
                if agreed == len(self.parts):
                    break
        return wanted

    def search_back(self, moment: datetime, steps: Steps) -> datetime | None:
        """Go to the earliest of the last times until all agree."""
        agreed = 0
        while agreed < len(self.parts):
            for part in self.parts:
                firing = _back(part, moment, steps)
                if firing is None:
                    return None
                agreed = agreed + 1 if firing == moment else 1
                moment = firing
                if agreed == len(self.parts):
                    break
        return moment


def _on(part: Schedule, moment: datetime, steps: Steps) -> datetime | None:
    if isinstance(part, Combined):
        return part.search_on(moment, steps)
    steps.take()
    return part.after(moment)


def _back(part: Schedule, moment: datetime, steps: Steps) -> datetime | None:
    if isinstance(part, Combined):
        return part.search_back(moment, steps)
    steps.take()
    return part.at_or_before(moment)


def parse_combined(spec: Spec, make: type[Combined], read: ReadChild) -> tuple[dict[str, object], Combined]:
    """Read the triggers inside; every fault is told with the place of its trigger."""
    children = spec.given.get("triggers")
    if not isinstance(children, list | tuple) or not children:
        said = "at least one trigger" if children == [] else f"a list of triggers, got {shown(children)}"
        spec.fault("triggers", f"'triggers' must be {said}.")
    spec.settle()
    assert isinstance(children, list | tuple)
    found: list[tuple[dict[str, object], Schedule]] = []
    for at, child in enumerate(children):
        try:
            found.append(read(child, spec.now))
        except InvalidTrigger as error:
            spec.faults += [fault.under(f"/triggers/{at}") for fault in error.faults]
    spec.settle()
    return {"triggers": [normal for normal, _ in found]}, make(parts=tuple(schedule for _, schedule in found))


def refuse_too_many(spec: Mapping[str, object]) -> None:
    """Refuse a combination that nests too deep or holds too many triggers, before any of them is read."""
    level: list[object] = [spec]
    total = 0
    for depth in range(1, DEEPEST + 2):
        if not level:
            return
        total += len(level)
        if depth > DEEPEST or total > MOST_TRIGGERS + 1:
            raise InvalidTrigger.of(
                Fault(
                    pointer="/triggers",
                    detail=f"A combination may hold {MOST_TRIGGERS} triggers, and be {DEEPEST} deep; this holds more.",
                )
            )
        level = [child for trigger in level for child in _children(trigger)]


def _children(trigger: object) -> Sequence[object]:
    if not isinstance(trigger, Mapping) or trigger.get("type") not in COMBINING:
        return ()
    children = trigger.get("triggers")
    return children if isinstance(children, list | tuple) else ()


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
