"""When a recurring schedule matches the wall clock, as bit sets: days of a year, minutes of a day, seconds.

Zones are left aside here. A Gregorian year is one of few kinds: leap or not, and begun on one of seven weekdays. A set
of days per kind of year says all there is to say about days, and makes the search for a date that is forty years away
(29 February on a Sunday) forty steps long.
"""

from calendar import isleap
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from scheduler_app.domain.schedule import END, FIRST

NONE = -1
DAY = timedelta(days=1)


class WallTable:
    """Matching times of the wall clock; a subclass says on which days of a year.

    `first_year`, `last_year`: outside of them no day matches.
    `wildcard`: it follows the clock, so an hour that comes twice counts twice and one that is skipped does not count.
    `every_hour`: it fires in every hour of its days, so that a change of the clock goes unnoticed.
    """

    wildcard: bool
    every_hour: bool
    seconds: int
    minutes: int
    first_year = FIRST.year - 1
    last_year = END.year

    def days_of(self, year: int) -> int:
        """Return the days of a year as bits, 1 January first."""
        raise NotImplementedError

    def at_or_after(self, wall: datetime) -> datetime | None:
        """Return the first match at or after the naive local time `wall` (whole seconds), or None."""
        day, present = wall.date(), _second_of_day(wall)
        if self.has_day(day) and (second := self._time_from(present)) != NONE:
            return wall + timedelta(seconds=second - present)
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
        return bool(self.days_of(day.year) >> day_of_year(day) & 1)

    def count(self, first: datetime, last: datetime) -> int:
        """Return how many matches lie from one naive local time (whole seconds) to another, both included."""
        total, day = 0, first.date()
        while day <= last.date():
            if self.has_day(day):
                begin = _second_of_day(first) if day == first.date() else 0
                total += self._times(begin, _second_of_day(last) if day == last.date() else 86_399)
            day += DAY
        return total

    def _times(self, first: int, last: int) -> int:
        """Return how many seconds of a day match, from one to another, both included."""
        (begin, since), (end, until) = divmod(first, 60), divmod(last, 60)
        at_end = self.seconds & ((2 << until) - 1)
        if begin == end:
            return (self.minutes >> begin & 1) * (at_end >> since).bit_count()
        between = (self.minutes & ((1 << end) - 1)) >> (begin + 1)
        return (
            (self.minutes >> begin & 1) * (self.seconds >> since).bit_count()
            + between.bit_count() * self.seconds.bit_count()
            + (self.minutes >> end & 1) * at_end.bit_count()
        )

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
        start = day_of_year(day)
        for year in range(day.year, self.last_year + 1):
            if (found := _lowest_from(self.days_of(year), start)) != NONE:
                return date(year, 1, 1) + DAY * found
            start = 0
        return None

    def _day_to(self, day: date) -> date | None:
        stop = day_of_year(day)
        for year in range(day.year, self.first_year - 1, -1):
            if (found := _highest_to(self.days_of(year), stop)) != NONE:
                return date(year, 1, 1) + DAY * found
            stop = 365
        return None


def bits(numbers: Iterable[int]) -> int:
    """Return a set of small numbers as the bits of one."""
    total = 0
    for number in numbers:
        total |= 1 << number
    return total


def minutes_of_day(hours: Iterable[int], minutes: Iterable[int]) -> int:
    """Return each of these minutes of each of these hours."""
    found = list(minutes)
    return bits(hour * 60 + minute for hour in hours for minute in found)


def day_of_year(day: date) -> int:
    """Return 0 for 1 January."""
    return day.toordinal() - date(day.year, 1, 1).toordinal()


def dates_of(year: int) -> list[date]:
    """Return every date of a year."""
    first = date(year, 1, 1)
    return [first + DAY * number for number in range(366 if isleap(year) else 365)]


def _lowest_from(found: int, start: int) -> int:
    rest = found >> start
    return start + (rest & -rest).bit_length() - 1 if rest else NONE


def _highest_to(found: int, stop: int) -> int:
    return (found & ((2 << stop) - 1)).bit_length() - 1 if stop >= 0 else NONE


def _second_of_day(wall: datetime) -> int:
    return wall.hour * 3600 + wall.minute * 60 + wall.second


def _at(day: date, second_of_day: int) -> datetime:
    return datetime.combine(day, time()) + timedelta(seconds=second_of_day)
