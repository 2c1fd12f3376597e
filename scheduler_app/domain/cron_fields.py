"""APScheduler's cron fields: `{"hour": 9, "day_of_week": "mon-fri"}`; all that are given must match.

The grammar is that of APScheduler's CronTrigger: `*`, `*/a`, `a`, `a-b`, `a-b/c`, `a/c`, names of months and weekdays,
in `day` also `last`, `2nd fri` and `last fri`, and lists of them. Weekdays count from 0 for Monday. Of the fields that
are left out, those less significant than the least one given get their least value, the others match anything.
"""

import re
from calendar import isleap, monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from scheduler_app.domain.cron_syntax import MONTHS
from scheduler_app.domain.schedule import END
from scheduler_app.domain.spec import Spec, nearest, shown, whole_number
from scheduler_app.domain.wall_table import WallTable, bits, dates_of, day_of_year, minutes_of_day

LONGEST = 256
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
POSITIONS = ("1st", "2nd", "3rd", "4th", "5th", "last")
WEEKDAY_IN_MONTH = re.compile(rf"({'|'.join(POSITIONS)}) +({'|'.join(WEEKDAYS)})")
RANGE = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/([0-9]+))?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class FieldRule:
    """One of the fields: its name, its bounds, what it is when a more significant one is the last that is given."""

    name: str
    low: int
    high: int
    default: str
    names: dict[str, int] = field(default_factory=dict, compare=False)

    @property
    def allowed(self) -> str:
        """Return its bounds in words."""
        names = f", {', '.join(self.names)}" if self.names else ""
        special = ", last, or a weekday of the month like '2nd fri' or 'last sun'" if self.name == "day" else ""
        return f"{self.low} to {self.high}{names}{special}"


RULES = (
    FieldRule(name="year", low=1970, high=END.year - 1, default="*"),
    FieldRule(name="month", low=1, high=12, default="1", names={name: at for at, name in enumerate(MONTHS, start=1)}),
    FieldRule(name="day", low=1, high=31, default="1"),
    FieldRule(name="week", low=1, high=53, default="*"),
    FieldRule(name="day_of_week", low=0, high=6, default="*", names={name: at for at, name in enumerate(WEEKDAYS)}),
    FieldRule(name="hour", low=0, high=23, default="0"),
    FieldRule(name="minute", low=0, high=59, default="0"),
    FieldRule(name="second", low=0, high=59, default="0"),
)
FIELD_NAMES = tuple(rule.name for rule in RULES)


class Wrong(ValueError):
    """A field that cannot be read; the message says why."""


class FieldTable(WallTable):
    """When eight sound fields, in the order of FIELD_NAMES, match the wall clock; ask `field_table` for one."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self.texts = dict(zip(FIELD_NAMES, texts, strict=True))
        values = {rule.name: _values(rule, self.texts[rule.name]) for rule in RULES}
        self._years, self._months = frozenset(values["year"]), values["month"]
        self.first_year, self.last_year = min(values["year"]), max(values["year"])
        self._weeks, self._weekdays = values["week"], values["day_of_week"]
        self._days_in = [_day_of_month(item) for item in items_of(self.texts["day"])]
        self.wildcard = any(item.startswith("*") for name in ("minute", "hour") for item in items_of(self.texts[name]))
        self.every_hour = self.wildcard and values["hour"] == frozenset(range(24))
        self.seconds = bits(values["second"])
        self.minutes = minutes_of_day(values["hour"], values["minute"])
        self._days: dict[tuple[bool, bool, int], int] = {}

    def days_of(self, year: int) -> int:
        """Return the days of a year as bits, 1 January first."""
        if year not in self._years:
            return 0
        kind = _kind_of(year)
        if kind not in self._days:
            self._days[kind] = bits(day_of_year(day) for day in dates_of(year) if self._matches(day))
        return self._days[kind]

    def can_fire(self) -> bool:
        """Tell whether any date matches."""
        return any(self.days_of(year) for year in self._years)

    def _matches(self, day: date) -> bool:
        return (
            day.month in self._months
            and day.weekday() in self._weekdays
            and day.isocalendar().week in self._weeks
            and any(matches(day) for matches in self._days_in)
        )


@lru_cache(maxsize=1024)
def field_table(texts: tuple[str, ...]) -> FieldTable:
    """Return the table of eight sound fields; each combination is made once."""
    return FieldTable(texts)


def read_fields(spec: Spec) -> tuple[dict[str, object], FieldTable]:
    """Return the fields as they were given and their table, or refuse them with sentences."""
    given = {rule.name: _text(spec, rule) for rule in RULES if spec.has(rule.name)}
    spec.settle()
    least = max(FIELD_NAMES.index(name) for name in given)
    defaults = {rule.name: rule.default if at > least else "*" for at, rule in enumerate(RULES)}
    table = field_table(tuple((defaults | given)[name] for name in FIELD_NAMES))
    if not table.can_fire():
        named = [name for name in FIELD_NAMES[:5] if table.texts[name] != "*"]
        said = ", ".join(f"{name} {table.texts[name]!r}" for name in named)
        spec.fault(next(name for name in reversed(named) if name in given), f"It can never fire: no date has {said}.")
        spec.settle()
    return {name: _kept(spec.given[name], text) for name, text in given.items()}, table


def _kept(value: object, text: str) -> object:
    value = whole_number(value)
    return value if isinstance(value, int) else text


def _text(spec: Spec, rule: FieldRule) -> str:
    """Return one field as normal text; `*` after noting a fault."""
    value = whole_number(spec.given[rule.name])
    try:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise Wrong(f"must be a whole number or a string like '*/2', got {shown(value)}")
        if isinstance(value, str) and len(value) > LONGEST:
            raise Wrong(f"is {len(value)} characters long; at most {LONGEST} are allowed")
        text = shown(value) if isinstance(value, int) else ",".join(items_of(value.lower()))
        _values(rule, text)
    except Wrong as wrong:
        spec.fault(rule.name, f"'{rule.name}' {wrong}.")
        return "*"
    return text


def items_of(text: str) -> list[str]:
    """Return the items of a list, each with single spaces."""
    return [" ".join(item.split()) for item in text.split(",")]


@lru_cache(maxsize=1024)
def _values(rule: FieldRule, text: str) -> frozenset[int]:
    """Return the numbers that a field stands for; those of `day` that need a month to be told are left out."""
    found: set[int] = set()
    for item in items_of(text):
        if rule.name != "day" or not is_of_month(item):
            found.update(_range(rule, item))
    return frozenset(found)


def values_of(name: str, text: str) -> frozenset[int]:
    """Return the numbers that a sound field stands for."""
    return _values(RULES[FIELD_NAMES.index(name)], text)


def is_of_month(item: str) -> bool:
    """Tell whether an item of `day` is one that needs a month to be told: `last`, `2nd fri`."""
    return item == "last" or WEEKDAY_IN_MONTH.fullmatch(item) is not None


def _range(rule: FieldRule, item: str) -> Iterable[int]:
    match = RANGE.fullmatch(item)
    if match is None:
        raise Wrong(f"has {shown(item)}; allowed is '*', a value, a range or a step; a value is {rule.allowed}")
    star, first, last, step = match.groups()
    low = rule.low if star else _number(rule, first, item)
    high = _number(rule, last, item) if last else low if not (star or step) else rule.high
    if high < low:
        raise Wrong(f"has {shown(item)}; a range runs from the smaller to the larger value")
    if step and not 1 <= int(step) <= max(1, high - low):
        raise Wrong(f"has {shown(item)}; its step must be from 1 to {max(1, high - low)}, the width of its range")
    return range(low, high + 1, int(step or 1))


def _number(rule: FieldRule, text: str, item: str) -> int:
    if text in rule.names:
        return rule.names[text]
    value = int(text) if text.isdigit() else -1
    if not rule.low <= value <= rule.high:
        raise Wrong(f"has {shown(item)}; allowed is {rule.allowed}{nearest(text, rule.names)}")
    return value


def _day_of_month(item: str) -> Callable[[date], bool]:
    if item == "last":
        return lambda day: day.day == monthrange(day.year, day.month)[1]
    if match := WEEKDAY_IN_MONTH.fullmatch(item):
        position, weekday = POSITIONS.index(match[1]), WEEKDAYS.index(match[2])
        return lambda day: day.weekday() == weekday and _has_position(day, position)
    days = frozenset(_range(RULES[2], item))
    return lambda day: day.day in days


def _has_position(day: date, position: int) -> bool:
    if position == len(POSITIONS) - 1:
        return day.day + 7 > monthrange(day.year, day.month)[1]
    return (day.day - 1) // 7 == position


@lru_cache(maxsize=512)
def _kind_of(year: int) -> tuple[bool, bool, int]:
    """Return the kind of a year; in which ISO week it begins depends on the year before it too."""
    return isleap(year), isleap(year - 1), date(year, 1, 1).weekday()
