"""APScheduler's cron fields in words: as the crontab expression that says the same, and the rest after it."""

from functools import lru_cache

from scheduler_app.domain.cron_fields import RULES, WEEKDAYS, is_of_month, items_of, values_of
from scheduler_app.domain.cron_words import describe_cron, warn_of_fields

Texts = tuple[tuple[str, str], ...]
LIMITS = {rule.name: rule for rule in RULES}


def describe_fields(texts: dict[str, str]) -> str:
    """Return the fields in words, without their zone."""
    return _described(tuple(texts.items()))


def warn_of_field_values(texts: dict[str, str]) -> list[str]:
    """Return what the fields alone may surprise with."""
    fifth = [item for item in items_of(texts["day"]) if item.startswith("5th")]
    rare = [f"It does not fire in months without a {fifth[0]}."] if fifth == items_of(texts["day"]) else []
    return [*warn_of_fields(_crontab(texts), last_day="last"), *rare]


@lru_cache(maxsize=1024)
def _described(texts: Texts) -> str:
    given = dict(texts)
    return describe_cron(_crontab(given)) + "".join(_tail(given))


def _crontab(texts: dict[str, str]) -> tuple[str, ...]:
    """Return the six fields of the nearest crontab expression; it has one field of days, not two."""
    weekday = "*" if texts["day"] != "*" else _weekdays(texts["day_of_week"])
    day = "*" if _has_weekdays(texts["day"]) else texts["day"].replace("last", "L")
    numbers = {name: _numbers(name, texts[name]) for name in ("second", "minute", "hour", "month")}
    return (numbers["second"], numbers["minute"], numbers["hour"], _numbers("day", day), numbers["month"], weekday)


def _tail(texts: dict[str, str]) -> list[str]:
    both = texts["day"] != "*" and _weekdays(texts["day_of_week"]) != "*"
    return [
        *([f", on the {' or the '.join(items_of(texts['day']))}"] if _has_weekdays(texts["day"]) else []),
        *([f", only on {_names(texts['day_of_week'])}"] if both else []),
        *([f", in ISO week {texts['week']}"] if texts["week"] != "*" else []),
        *([f", in the year {texts['year']}"] if texts["year"] != "*" else []),
    ]


def _has_weekdays(day: str) -> bool:
    return any(is_of_month(item) and item != "last" for item in items_of(day))


def _numbers(name: str, text: str) -> str:
    """Return a field as crontab(5) writes it, which has no `5/10`."""
    return ",".join(_number(item, LIMITS[name].high) for item in items_of(text))


def _number(item: str, high: int) -> str:
    base, slash, step = item.partition("/")
    return f"{base}-{high}/{step}" if slash and base != "*" and "-" not in base else item


def _weekdays(text: str) -> str:
    """Return weekdays in crontab's numbers, in which Monday is 1."""
    days = sorted(day + 1 for day in values_of("day_of_week", text))
    if len(days) == len(WEEKDAYS):
        return "*"
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{days[0]}-{days[-1]}"
    return ",".join(str(day % 7) for day in days)


def _names(text: str) -> str:
    return ", ".join(WEEKDAYS[day] for day in sorted(values_of("day_of_week", text)))
