"""What about a trigger is probably a mistake, whatever its type; what is special to a type stands with it."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from scheduler_app.clock import rfc3339
from scheduler_app.domain.schedule import Schedule
from scheduler_app.errors import TriggerBudgetExceeded

LONG = timedelta(days=366)


def warn_of_times(spec: Mapping[str, object], schedule: Schedule, *, begin: datetime, jitter: float) -> list[str]:
    """Return what the first times from `begin` of a trigger in normal form may surprise with."""
    try:
        first = schedule.first(begin)
        second = None if first is None else schedule.after(first)
    except TriggerBudgetExceeded:
        return []
    return [*_rare(spec, first, second, begin), *_wide_jitter(first, second, jitter)]


def warn_of_past(spec: Mapping[str, object], now: datetime) -> Iterator[str]:
    """Yield what to say of a start that is past by `now`."""
    start = str(spec.get("start_date", ""))
    if "T" in start and datetime.fromisoformat(start) < now:
        yield f"'start_date' {start} is past; it fires from now on, not for the time since then."


def _rare(
    spec: Mapping[str, object], first: datetime | None, second: datetime | None, begin: datetime
) -> Iterator[str]:
    if first is None:
        yield f"It does not fire any more after {rfc3339(begin)}."
    elif spec["type"] != "date" and second is None:
        yield f"It fires only once, at {rfc3339(first)}."
    elif first - begin > LONG:
        yield f"It fires for the first time in more than a year, at {rfc3339(first)}."


def _wide_jitter(first: datetime | None, second: datetime | None, jitter: float) -> Iterator[str]:
    if first is not None and second is not None and jitter >= (second - first).total_seconds():
        yield f"'jitter' of {jitter:g} seconds is as long as the time between two firings; runs may change their order."
