"""A parsed cron expression as a table of the wall clock."""

from calendar import isleap
from datetime import date
from functools import lru_cache

from cronsim import CronSim, CronSimError

from scheduler_app.domain.cron_syntax import FIELDS, refuse, six_fields
from scheduler_app.domain.schedule import FIRST
from scheduler_app.domain.wall_table import WallTable, bits, dates_of, day_of_year, minutes_of_day

# One year of each of the fourteen kinds: the weekdays of 28 years in a row come in every order.
KINDS_OF_YEAR = range(2000, 2028)


class CronTable(WallTable):
    """When an expression matches the wall clock; ask `cron_table` for one."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        # A job whose minute or hour starts with a star is one that Debian calls wildcard: it follows the wall clock.
        self.wildcard = fields[1].startswith("*") or fields[2].startswith("*")
        self.every_hour = self.wildcard and fields[2] in ("*", "*/1", "0-23")
        self._parsed = _parse(fields)
        self.seconds = bits(self._parsed.seconds)
        self.minutes = minutes_of_day(self._parsed.hours, self._parsed.minutes)
        self._days: dict[tuple[bool, int], int] = {}
        if not any(self.days_of(year) for year in KINDS_OF_YEAR):
            refuse(_never(fields))

    def days_of(self, year: int) -> int:
        """Return the days of a year as bits, 1 January first."""
        kind = _kind_of(year)
        if kind not in self._days:
            self._days[kind] = bits(day_of_year(day) for day in dates_of(year) if self._matches(day))
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
@lru_cache(maxsize=1024)
def _kind_of(year: int) -> tuple[bool, int]:
    return isleap(year), date(year, 1, 1).weekday()
