"""The trigger `interval`: firings on the grid start + k * step of elapsed time, which no clock change bends."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.schedule import END, STEP_BUDGET
from scheduler_app.domain.spec import Spec
from scheduler_app.domain.zone import in_zone, spans

UNITS = {"weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
# Below a millisecond a pass of the scheduler takes longer than the interval; above a century nobody waits.
SHORTEST = timedelta(milliseconds=1)
LONGEST = timedelta(days=36_525)
DRIFT = (
    "Days of an interval have 24 hours, so the local time in {zone} shifts when its clock changes; "
    "use calendarinterval to keep it."
)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A schedule that fires at `start` and every `step` after it, the last time at or before `end`."""

    step: timedelta
    start: datetime
    end: datetime | None
    zone: ZoneInfo

    def after(self, moment: datetime) -> datetime | None:
        """Return the first point of the grid strictly after `moment`."""
        if moment < self.start:
            return self._unless_over(self.start)
        elapsed = ((moment - self.start) // self.step + 1) * self.step
        return self._unless_over(self.start + elapsed) if elapsed < END - self.start else None

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the last point of the grid at or before `moment`."""
        moment = min(moment, self.end or END - MICROSECOND)
        return None if moment < self.start else self.start + (moment - self.start) // self.step * self.step

    def first(self, now: datetime) -> datetime | None:
        """Return the start if it is not past, else the next point of the grid."""
        return self._unless_over(self.start) if self.start >= now else self.after(now)

    def count(self, since: datetime, until: datetime) -> int | None:
        """Return how many points lie from `since` (one of them) to `until`; None when over 10,000."""
        last = self.at_or_before(until)
        counted = 0 if last is None or last < since else (last - since) // self.step + 1
        return counted if counted <= STEP_BUDGET else None

    def describe(self) -> str:
        """Return it in words."""
        until = f", until {in_zone(self.end, self.zone)}" if self.end else ""
        return f"Every {_in_words(self.step)}, from {in_zone(self.start, self.zone)}{until}"

    def warnings(self, now: datetime) -> list[str]:
        """Say so when it fires every second or more often, or drifts against the wall clock of its zone."""
        often = [f"It fires {_often(self.step)}."] if self.step <= timedelta(seconds=1) else []
        drifts = self.step % timedelta(days=1) == timedelta(0) and len(spans(self.zone, now.year)) > 1
        return [*often, *([DRIFT.format(zone=self.zone.key)] if drifts else [])]

    def _unless_over(self, firing: datetime) -> datetime | None:
        return None if self.end is not None and firing > self.end else firing


def parse_interval(spec: Spec) -> tuple[dict[str, object], Grid]:
    """Read the fields of an `interval` trigger; return them in normal form, with their schedule."""
    amounts = {unit: spec.amount(unit) for unit in UNITS}
    start, end = spec.moment("start_date"), spec.moment("end_date")
    spec.settle()
    step = _step(spec, amounts)
    start = start or _one_step_later(spec, step)
    if end is not None and end < start:
        spec.fault(
            "end_date", f"The trigger never fires: 'end_date' is before its first time, {in_zone(start, spec.zone)}."
        )
        spec.settle()
    normal: dict[str, object] = {unit: spec.given[unit] for unit in UNITS if amounts[unit]}
    normal |= {"start_date": in_zone(start, spec.zone), "timezone": spec.zone.key}
    normal |= {"end_date": in_zone(end, spec.zone)} if end else {}
    return normal, Grid(step=step, start=start, end=end, zone=spec.zone)


def _step(spec: Spec, amounts: dict[str, Fraction]) -> timedelta:
    micros = round(sum((amount * UNITS[unit] * 1_000_000 for unit, amount in amounts.items()), Fraction(0)))
    if not SHORTEST // MICROSECOND <= micros <= LONGEST // MICROSECOND:
        named = [unit for unit in UNITS if spec.has(unit)] or ["seconds"]
        spec.fault(
            named[-1],
            "weeks, days, hours, minutes and seconds must add up to at least 0.001 seconds and at most "
            f"{LONGEST.days} days (100 years), got {_total(micros)}.",
        )
        spec.settle()
    return timedelta(microseconds=micros)


def _one_step_later(spec: Spec, step: timedelta) -> datetime:
    if step >= END - spec.now:
        spec.fault("start_date", f"The first time would lie after the year {END.year - 1}.")
        spec.settle()
    return spec.now + step


def _total(micros: int) -> str:
    return f"{micros / 1e6:g} seconds" if micros < 10**15 else "more"


def _in_words(step: timedelta) -> str:
    whole, micros = divmod(step, timedelta(seconds=1))
    parts: list[str] = []
    for unit, size in list(UNITS.items())[1:-1]:
        number, whole = divmod(whole, size)
        parts += [f"{number:,} {unit}" if number > 1 else f"1 {unit[:-1]}"] if number else []
    if whole or micros:
        text = f"{whole}.{micros // MICROSECOND:06d}".rstrip("0").rstrip(".") if micros else str(whole)
        parts.append("1 second" if text == "1" else f"{text} seconds")
    return parts[0].removeprefix("1 ") if len(parts) == 1 else " ".join(parts)


def _often(step: timedelta) -> str:
    times = timedelta(seconds=1) / step
    return "every second" if times == 1 else f"{times:.4g} times a second"
