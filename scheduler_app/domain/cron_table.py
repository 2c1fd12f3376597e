"""A parsed cron expression as bit sets over the wall clock: days of a year, minutes of a day, seconds.

A Gregorian year is one of fourteen: leap or not, and begun on one of seven weekdays. A set of days per kind of year
therefore says all there is to say about days, shows at once whether an expression can ever fire, and makes the search
for a date that is forty years away (29 February on a Sunday) forty steps long.
"""

from calendar import isleap
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from cronsim import CronSim, CronSimError

from scheduler_app.domain.cron_syntax import FIELDS, refuse, six_fields
from scheduler_app.domain.schedule import END, FIRST

NONE = -1
DAY = timedelta(days=1)
# One year of each of the fourteen kinds: the weekdays of 28 years in a row come in every order.
KINDS_OF_YEAR = range(2000, 2028)


class CronTable:
    """When an expression matches the wall clock, zones left aside; ask `cron_table` for one."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        # A job whose minute or hour starts with a star is one that Debian calls wildcard: it follows the wall clock.
        self.wildcard = fields[1].startswith("*") or fields[2].startswith("*")
        parsed = _parse(fields)
        self.seconds = _bits(parsed.seconds)
        self.minutes = _bits(hour * 60 + minute for hour in parsed.hours for minute in parsed.minutes)
        self._parsed = parsed
        self._days: dict[tuple[bool, int], int] = {}
        if not any(self._days_of(year) for year in KINDS_OF_YEAR):
            refuse(_never(fields))

    def at_or_after(self, wall: datetime) -> datetime | None:
        """Return the first match at or after the naive local time `wall` (whole seconds), or None."""
        day = wall.date()
        if self.has_day(day) and (second := self._time_from(_second_of_day(wall))) != NONE:
            return _at(day, second)
        later = self._day_from(day + DAY)
        return None if later is None else _at(later, self._time_from(0))

    def at_or_before(self, wall: datetime) -> datetime | None:
        """Return the last match at or before the naive local time `wall` (whole seconds), or None."""
        day = wall.date()
        if self.has_day(day) and (second := self._time_to(_second_of_day(wall))) != NONE:
            return _at(day, second)
        earlier = self._day_to(day - DAY)
        return None if earlier is None else _at(earlier, self._time_to(86_399))

    def has_day(self, day: date) -> bool:
        """Tell whether it fires on that day at all."""
        return bool(self._days_of(day.year) >> _day_of_year(day) & 1)

    def _time_from(self, second_of_day: int) -> int:
        minute, second = divmod(second_of_day, 60)
        if self.minutes >> minute & 1 and (found := _lowest_from(self.seconds, second)) != NONE:
            return minute * 60 + found
        later = _lowest_from(self.minutes, minute + 1)
        return NONE if later == NONE else later * 60 + _lowest_from(self.seconds, 0)

    def _time_to(self, second_of_day: int) -> int:
        minute, second = divmod(second_of_day, 60)
        if self.minutes >> minute & 1 and (found := _highest_to(self.seconds, second)) != NONE:
            return minute * 60 + found
        earlier = _highest_to(self.minutes, minute - 1)
        return NONE if earlier == NONE else earlier * 60 + _highest_to(self.seconds, 59)

    def _day_from(self, day: date) -> date | None:
        start = _day_of_year(day)
        for year in range(day.year, END.year + 1):
            if (found := _lowest_from(self._days_of(year), start)) != NONE:
                return date(year, 1, 1) + DAY * found
            start = 0
        return None

    def _day_to(self, day: date) -> date | None:
        stop = _day_of_year(day)
        for year in range(day.year, FIRST.year - 2, -1):
            if (found := _highest_to(self._days_of(year), stop)) != NONE:
                return date(year, 1, 1) + DAY * found
            stop = 365
        return None

    def _days_of(self, year: int) -> int:
        kind = _kind_of(year)
        if kind not in self._days:
            days = (date(year, 1, 1) + DAY * number for number in range(366 if kind[0] else 365))
            self._days[kind] = _bits(_day_of_year(day) for day in days if self._matches(day))
        return self._days[kind]

    def _matches(self, day: date) -> bool:
        return day.month in self._parsed.months and self._parsed.match_day(day)


@lru_cache(maxsize=1024)
def cron_table(fields: tuple[str, ...]) -> CronTable:
    """Return the table of six sound fields; each expression is parsed once."""
    return CronTable(fields)


def parse_expression(expression: object, *, seconds: bool = False) -> CronTable:
    """Return the table of a cron expression, or refuse it with a sentence."""
    return cron_table(six_fields(expression, seconds=seconds))


def _parse(fields: tuple[str, ...]) -> CronSim:
    try:
        return CronSim(" ".join(fields), FIRST)
    except CronSimError as error:
        if str(error) == "Bad day-of-month":
            refuse(_never(fields))
        refuse(f"The cron expression cannot be read: {error}.")


def _never(fields: tuple[str, ...]) -> str:
    named = ", ".join(f"{FIELDS[at].name} {fields[at]!r}" for at in (3, 4, 5) if fields[at] != "*")
    return f"The cron expression can never fire: no date has {named}."


@lru_cache(maxsize=512)
def _kind_of(year: int) -> tuple[bool, int]:
    return isleap(year), date(year, 1, 1).weekday()


def _bits(numbers: Iterable[int]) -> int:
    total = 0
    for number in numbers:
        total |= 1 << number
    return total


def _lowest_from(bits: int, start: int) -> int:
    rest = bits >> start
    return start + (rest & -rest).bit_length() - 1 if rest else NONE


def _highest_to(bits: int, stop: int) -> int:
    return (bits & ((2 << stop) - 1)).bit_length() - 1 if stop >= 0 else NONE


def _day_of_year(day: date) -> int:
    return day.toordinal() - date(day.year, 1, 1).toordinal()


def _second_of_day(wall: datetime) -> int:
    return wall.hour * 3600 + wall.minute * 60 + wall.second


def _at(day: date, second_of_day: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(seconds=second_of_day)
