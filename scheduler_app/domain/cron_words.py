"""Cron expressions in words, and what about them may surprise the person who wrote one."""

import calendar
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from cron_descriptor import ExpressionDescriptor, Options
from cron_descriptor.Exception import FormatException, MissingFieldException, WrongArgumentException
from cronsim.explain import Expression

from scheduler_app.domain.cron_syntax import FIELDS, MONTHS
from scheduler_app.domain.wall_table import WallTable
from scheduler_app.domain.zone import Span, spans

SPANS = (60, 60, 24)
YEAR = timedelta(days=366)
# cron_descriptor knows no singular here: "At 1 minutes past the hour", and after seconds "at 1 …"
ONE_MINUTE = re.compile(r"(?<=[Aa]t )1 minutes past")


@lru_cache(maxsize=1024)
def describe_cron(fields: tuple[str, ...]) -> str:
    """Return an expression in words, without its zone."""
    if not _reads_well(fields):
        return Expression([field.upper() for field in fields]).explain()
    options = Options(locale_code="en_US", use_24hour_time_format=True)
    given = fields if fields[0] != "0" else fields[1:]
    try:
        words = str(ExpressionDescriptor(" ".join(given), options).get_description())
    except (FormatException, MissingFieldException, WrongArgumentException):
        return Expression([field.upper() for field in fields]).explain()
    return ONE_MINUTE.sub("1 minute past", words)


def warn_of_fields(fields: tuple[str, ...], *, last_day: str = "L") -> list[str]:
    """Return what the fields alone may surprise with; `last_day` is how the last day of a month is written."""
    return [*_every_second(fields), *_uneven_steps(fields), *_missing_months(fields, last_day), *_either_day(fields)]


def warn_of_changes(table: WallTable, zone: ZoneInfo, now: datetime) -> list[str]:
    """Return what the clock changes of the year after `now` do to the firings of `table`."""
    begin = now.replace(tzinfo=None)
    known = (span for year in (begin.year, begin.year + 1) for span in spans(zone, year))
    return [
        text
        for before, span in pairwise(known)
        if begin <= span.start < begin + YEAR
        for text in (_of_gap(table, zone, before, span) or _of_overlap(table, zone, before, span))
    ]


def _reads_well(fields: tuple[str, ...]) -> bool:
    """Tell whether cron_descriptor words these right: it takes `*/90` for every 90 minutes, and a `*/2` day for OR."""
    return all(_is_plain(at, field) for at, field in enumerate(fields))


def _is_plain(at: int, field: str) -> bool:
    if field == "*":
        return True
    if "*" in field:
        step = field.removeprefix("*/")
        return step.isdigit() and at < len(SPANS) and SPANS[at] % int(step) == 0
    letters = at in (3, 5) and ("L" in field.upper() or "#" in field)
    return not (letters and "," in field) and field != "0-7"


def _every_second(fields: tuple[str, ...]) -> Iterator[str]:
    if fields[0] in ("*", "*/1", "0-59"):
        yield "It fires every second of each matching minute."


def _uneven_steps(fields: tuple[str, ...]) -> Iterator[str]:
    for cron_field, span, text in zip(FIELDS, SPANS, fields, strict=False):
        step = text.removeprefix("*/")
        if not text.startswith("*/") or not step.isdigit() or span % int(step) == 0:
            continue
        if int(step) >= span:
            yield f"The {cron_field.name} step {text} is longer than the {cron_field.name} range; it only matches 0."
        else:
            yield f"The {cron_field.name} step {text} starts again at 0, so the last step of each round is shorter."


def _missing_months(fields: tuple[str, ...], last_day: str) -> Iterator[str]:
    days, months = fields[3].split(","), _months(fields[4])
    if fields[5] != "*" or not all(day in ("29", "30", "31") for day in days):
        return
    least = min(days)
    short = [month for month in months if _days(month) < int(least)]
    if short == [2] == months:
        yield "It fires in leap years only."
    elif short:
        names = ", ".join(calendar.month_name[month] for month in short)
        when = names + (" (except in leap years)" if least == "29" else "")
        yield f"It does not fire in {when}: no day {least}. For the last day of every month write {last_day}."


def _months(text: str) -> list[int]:
    """Return the months that a sound field stands for."""
    found: set[int] = set()
    for item in text.lower().split(","):
        base, _, step = item.partition("/")
        low, _, high = base.partition("-")
        first, last = (1, 12) if base == "*" else (_month(low), _month(high or low))
        found.update(range(first, last + 1, int(step or 1)))
    return sorted(found)


def _month(text: str) -> int:
    return MONTHS.index(text) + 1 if text in MONTHS else int(text)


def _either_day(fields: tuple[str, ...]) -> Iterator[str]:
    if not fields[3].startswith("*") and not fields[5].startswith("*"):
        yield "Day-of-month and day-of-week are both given: it fires when either matches, not only when both do."


def _of_gap(table: WallTable, zone: ZoneInfo, before: Span, span: Span) -> list[str]:
    wall, end = table.at_or_after(span.start + before.offset), span.start + span.offset
    if wall is None or wall >= end or table.every_hour:
        return []
    late = f"it fires at {_clock(end)} instead" if not table.wildcard and span.fresh < end else "it does not fire then"
    return [f"{_clock(wall)} does not exist in {zone.key} (the clock is put forward); {late}."]


def _of_overlap(table: WallTable, zone: ZoneInfo, before: Span, span: Span) -> list[str]:
    wall, end = table.at_or_after(span.start + span.offset), span.start + before.offset
    if wall is None or wall >= end or not table.wildcard or table.every_hour:
        return []
    return [f"{_clock(wall)} comes twice in {zone.key} (the clock is put back); it fires both times."]


def _days(month: int) -> int:
    return calendar.monthrange(2001, month)[1]


def _clock(wall: datetime) -> str:
    text = wall.isoformat(sep=" ")
    return text.removesuffix(":00")
