"""The trigger `calendarinterval`: every so many years, months, weeks and days, at a time of the day.

The dates are APScheduler's: to the last date come years and months, again and again until there is such a day (31
January and a month is 31 March), then weeks and days. They are reckoned from the start alone, so neither a restart nor
a late firing moves them. Over clock changes nothing is lost and nothing doubled, where APScheduler drops the date: a
time inside a gap fires right after it, one that comes twice fires the first time.
"""

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.schedule import END, FIRST, STEP_BUDGET, count_by_walking
from scheduler_app.domain.spec import Spec
from scheduler_app.domain.zone import in_zone, spans_from
from scheduler_app.errors import TriggerBudgetExceeded

PERIODS = {"years": 100, "months": 1200, "weeks": 5218, "days": 36_525}
TIMES = {"hour": 23, "minute": 59, "second": 59}
DAY = timedelta(days=1)
LAST_DAY = END.date() - DAY
YEAR = timedelta(days=366)
COMMON_YEAR = 2023


@dataclass(frozen=True, kw_only=True)
class Period:
    """What lies between two dates."""

    months: int
    days: int

    def after(self, day: date) -> date | None:
        """Return the date one period after `day`; None at the end of the calendar."""
        found: date | None = day
        if self.months:
            found = self._months_after(day)
        if found is None or found > LAST_DAY - timedelta(days=self.days):
            return None
        return found + timedelta(days=self.days)

    def _months_after(self, day: date) -> date | None:
        month = day.year * 12 + day.month - 1
        while (month := month + self.months) // 12 < END.year:
            try:
                return date(month // 12, month % 12 + 1, day.day)
            except ValueError:  # no such day in that month
                continue
        return None


class Dates:
    """The dates from a start, found one by one and remembered; those of days alone are reckoned at once."""

    def __init__(self, start: date, period: Period) -> None:
        self.start = start
        self._period = period
        self._known = [start]
        self._complete = False
        self._learning = Lock()

    def at_or_before(self, day: date) -> date | None:
        """Return the last date at or before `day`."""
        start = self.start
        if day < start:
            return None
        if not self._period.months:
            return start + (day - start) // (DAY * self._period.days) * (DAY * self._period.days)
        self._learn(day)
        return self._known[bisect_right(self._known, day) - 1]

    def after(self, day: date) -> date | None:
        """Return the first date after `day`."""
        before = self.at_or_before(day)
        return self.start if before is None else self._period.after(before)

    def _learn(self, day: date) -> None:
        """Find the dates up to `day`; at most so many that each question has the same answer whatever was asked."""
        with self._learning:
            while self._known[-1] < day and not self._complete:
                if len(self._known) > STEP_BUDGET:
                    raise TriggerBudgetExceeded(f"The date lies more than {STEP_BUDGET:,} periods after the start.")
                following = self._period.after(self._known[-1])
                self._complete = following is None
                self._known += [] if following is None else [following]


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """A schedule that fires when the clock of `zone` shows `at` on its dates, from `start` to `end`, both included."""

    period: Period
    at: time
    zone: ZoneInfo
    start: datetime
    end: datetime | None
    dates: Dates = field(compare=False, repr=False)

    def after(self, moment: datetime) -> datetime | None:
        """Return the first firing strictly after `moment`."""
        moment = max(moment, self.start - MICROSECOND)
        if moment >= (self.end or END):
            return None
        day = self.dates.after(_local(moment, self.zone) - 2 * DAY)
        while day is not None:
            firing = moment_of(day, self.at, self.zone)
            if firing > moment:
                return firing if firing <= (self.end or END) else None
            day = self.dates.after(day)
        return None

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the last firing at or before `moment`."""
        moment = min(moment, self.end or END - MICROSECOND)
        if moment < self.start:
            return None
        day = self.dates.at_or_before(_local(moment, self.zone) + DAY)
        while day is not None:
            firing = moment_of(day, self.at, self.zone)
            if firing <= moment:
                return firing if firing >= self.start else None
            day = self.dates.at_or_before(day - DAY)
        return None

    def first(self, now: datetime) -> datetime | None:
        """Return the first firing at or after `now`."""
        return self.after(now - MICROSECOND)

    def count(self, since: datetime, until: datetime) -> int | None:
        """Return how many firings lie from `since` (a firing) to `until`; None when over 10,000."""
        return count_by_walking(self.after, since, until)

    def describe(self) -> str:
        """Return it in words."""
        until = f", until {in_zone(self.end, self.zone)}" if self.end else ""
        return f"Every {_in_words(self.period)} at {self.at}, from {self.dates.start}{until} ({self.zone.key})"

    def warnings(self, now: datetime) -> list[str]:
        """Say which months it leaves out, and what the clock changes of the coming year do to it."""
        return [*self._skipped_months(), *self._clock_changes(now)]

    def _skipped_months(self) -> Iterator[str]:
        start, step = self.dates.start, self.period.months
        reached = {(start.month - 1 + step * number) % 12 + 1 for number in range(12)}
        if step and not self.period.days and any(monthrange(COMMON_YEAR, month)[1] < start.day for month in reached):
            what = "months" if step % 12 else "years"
            yield f"It skips {what} without a day {start.day}; for the last day of each month use cron with day 'last'."

    def _clock_changes(self, now: datetime) -> Iterator[str]:
        firing = self.after(now)
        while firing is not None and firing < now + YEAR:
            local = firing.astimezone(self.zone)
            wall = datetime.combine(local.date(), self.at)
            if local.time() != self.at:
                yield f"{wall} does not exist in {self.zone.key} (a clock change); it fires at {local.time()}."
            elif local.utcoffset() != local.replace(fold=1).utcoffset():
                yield f"{wall} comes twice in {self.zone.key} (a clock change); it fires the first time."
            firing = self.after(firing)


def moment_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return when the clock of a zone first shows a time of a day, or right after the gap that swallows it."""
    wall = datetime.combine(day, at)
    for span in spans_from(zone, wall - DAY):
        if wall - span.offset < span.end:
            return max(wall - span.offset, span.start).replace(tzinfo=UTC)
    return END


def parse_calendar_interval(spec: Spec) -> tuple[dict[str, object], Calendar]:
    """Read the fields of a `calendarinterval` trigger; return them in normal form, with their schedule."""
    amounts = {name: spec.whole(name, most) for name, most in PERIODS.items()}
    hour, minute, second = (spec.whole(name, most) for name, most in TIMES.items())
    day, start, last_day, end = *_bound(spec, "start_date"), *_bound(spec, "end_date")
    if not any(amounts.values()) and not any(name in fault.pointer for fault in spec.faults for name in PERIODS):
        named = [name for name in PERIODS if spec.has(name)] or ["days"]
        spec.fault(named[-1], "years, months, weeks and days must add up to at least a day, got none of them.")
    spec.settle()
    at = time(hour, minute, second)
    anchor = day or _local(start or spec.now, spec.zone)
    period = Period(months=amounts["years"] * 12 + amounts["months"], days=amounts["weeks"] * 7 + amounts["days"])
    schedule = Calendar(
        period=period,
        at=at,
        zone=spec.zone,
        start=start or moment_of(anchor, at, spec.zone),
        end=moment_of(last_day, at, spec.zone) if last_day else end,
        dates=Dates(anchor, period),
    )
    _refuse_empty(spec, schedule)
    bounds = {"start_date": start or anchor, "end_date": last_day or end}
    normal: dict[str, object] = {name: amount for name, amount in amounts.items() if amount}
    normal |= {name: getattr(at, name) for name in TIMES if getattr(at, name)} | {"timezone": spec.zone.key}
    return normal | {key: _text(bound, spec.zone) for key, bound in bounds.items() if bound}, schedule


def _bound(spec: Spec, key: str) -> tuple[date | None, datetime | None]:
    """Return one end of the window: a day, or a time."""
    day = spec.day(key)
    known = day is not None or any(fault.pointer == f"/{key}" for fault in spec.faults)
    return day, None if known else spec.moment(key)


def _refuse_empty(spec: Spec, schedule: Calendar) -> None:
    if schedule.after(schedule.start - MICROSECOND) is None:
        first = in_zone(schedule.start, spec.zone)
        key = "end_date" if schedule.end else "start_date"
        spec.fault(key, f"The trigger never fires: no date matches from {first} to '{key}'.")
        spec.settle()


def _local(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date() if moment > FIRST else FIRST.date()


def _text(bound: date | datetime, zone: ZoneInfo) -> str:
    return in_zone(bound, zone) if isinstance(bound, datetime) else bound.isoformat()


def _in_words(period: Period) -> str:
    amounts = {"year": period.months // 12, "month": period.months % 12}
    amounts |= {"week": period.days // 7, "day": 0} if period.days % 7 == 0 else {"week": 0, "day": period.days}
    parts = [f"{number:,} {unit}s" if number > 1 else f"1 {unit}" for unit, number in amounts.items() if number]
    return parts[0].removeprefix("1 ") if len(parts) == 1 else " and ".join(parts)
