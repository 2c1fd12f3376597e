"""A week as 7 × 24 cells of local time; a change of clocks leaves one hour out, or brings one twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from scheduler_app.domain.zone import spans_from
from scheduler_app.services.outlooks import HourPlan

HOUR = timedelta(hours=1)
STEPS = 6
YEAR = timedelta(days=366)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """An hour: its number, and in which of six steps that lies."""

    at: datetime
    value: float
    shown: str
    step: int
    told: str
    is_now: bool
    is_quietest: bool
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Where an hour of the day stands: two cells when it comes twice, none when it does not come."""

    hour: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A day of the week."""

    name: str
    told: str
    slots: tuple[Slot, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of clocks: at an instant local time jumps from one to another."""

    at: datetime
    before: datetime
    after: datetime


@dataclass(frozen=True, kw_only=True)
class Look:
    """From where a week is looked at: the hour of now, and the one that is chosen."""

    zone: ZoneInfo
    now: datetime
    chosen: datetime
    busy: bool

    def value(self, plan: HourPlan) -> float:
        """Return what is shown of an hour."""
        return plan.busy_seconds if self.busy else float(plan.firings)


def whole(plans: Sequence[HourPlan], look: Look) -> Sequence[HourPlan]:
    """Return the hours of which nothing is over."""
    return [plan for plan in plans if plan.at > look.now] or plans


def quietest(plans: Sequence[HourPlan], look: Look) -> HourPlan:
    """Return the whole hour with the least to do."""
    return min(whole(plans, look), key=lambda plan: (look.value(plan), plan.at))


def busiest(plans: Sequence[HourPlan], look: Look) -> HourPlan:
    """Return the hour with the most to do."""
    return max(plans, key=lambda plan: (look.value(plan), -plan.at.timestamp()))


def rows(plans: Sequence[HourPlan], look: Look) -> list[Row]:
    """Return the days from Monday to Sunday; a day that comes twice in part, now and a week on, is one row."""
    values = [look.value(plan) for plan in whole(plans, look)]
    least, most = min(values), max(values)
    calm = quietest(plans, look).at
    found: dict[tuple[int, int], list[Cell]] = {}
    days: dict[int, list[date]] = {}
    for plan in plans:
        local = plan.at.astimezone(look.zone)
        value = look.value(plan)
        cell = Cell(
            at=plan.at,
            value=value,
            shown=brief(value),
            step=step_of(value, least, most),
            told=f"{local:%A} {local.day} {local:%B}, {local:%H:%M}: {brief(value)} {unit(look, value)}",
            is_now=plan.at <= look.now < plan.at + HOUR,
            is_quietest=plan.at == calm and most > least,
            is_chosen=plan.at == look.chosen,
        )
        found.setdefault((local.weekday(), local.hour), []).append(cell)
        days.setdefault(local.weekday(), []).append(local.date())
    return [_row(day, days[day], found) for day in sorted(days)]


def _row(day: int, dates: Sequence[date], found: dict[tuple[int, int], list[Cell]]) -> Row:
    first = min(dates)
    slots = tuple(Slot(hour=hour, cells=tuple(found.get((day, hour), ()))) for hour in range(24))
    return Row(name=f"{first:%a}", told=f"{first:%A}", slots=slots)


def unit(look: Look, value: float) -> str:
    """Return what the numbers are of."""
    if look.busy:
        return "busy seconds"
    return "firing" if value == 1 else "firings"


def step_of(value: float, least: float, most: float) -> int:
    """Return the step of a value, linear from the least to the most; 0 when all are alike."""
    return max(0, min(STEPS - 1, int(STEPS * (value - least) / (most - least)))) if most > least else 0


def brief(value: float) -> str:
    """Return a number in at most four characters."""
    if value < 1000:
        return f"{value:.0f}"
    return (
        f"{value / 1000:.1f}k" if value < 9950 else f"{value / 1000:.0f}k" if value < 999_500 else f"{value / 1e6:.0f}M"
    )


def next_change(now: datetime, zone: ZoneInfo) -> Change | None:
    """Return the next change of clocks within a year."""
    moment = now.astimezone(UTC).replace(tzinfo=None)
    found = list(islice(_steps(moment, zone), 1))
    return found[0] if found and found[0].at < now + YEAR else None


def _steps(moment: datetime, zone: ZoneInfo) -> Iterable[Change]:
    before = None
    for span in islice(spans_from(zone, moment), 8):
        if before is not None and span.offset != before.offset:
            at = span.start.replace(tzinfo=UTC)
            yield Change(at=at, before=span.start + before.offset, after=span.start + span.offset)
        before = span
