"""A trigger as a line of a table: in words, in the notation that people know it by, and the zone if it has its own."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from scheduler_app.dashboard import words
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import SchedulerError

FROM_THE_CLOCK = ("type", "start_date", "timezone", "jitter")
UNITS = {"weeks": "w", "days": "d", "hours": "h", "minutes": "m", "seconds": "s"}


_WHOLE_MINUTE = re.compile(r"\b(\d\d:\d\d):00\b")
_DAILY = re.compile(r"at \d\d:\d\d(:\d\d)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """`told` in words, `raw` as it is written, `zone` only where it is not the one of the page."""

    told: str
    raw: str
    zone: str | None


def schedule_of(trigger: dict[str, Any] | None, *, now: datetime, zone: ZoneInfo) -> Schedule:
    """Return how a trigger is told."""
    if trigger is None:
        return Schedule(told="once, when it was added", raw="no trigger", zone=None)
    own = trigger.get("timezone")
    by_clock = trigger.get("type") in ("cron", "calendarinterval")
    return Schedule(
        told=_told(trigger, now, zone),
        raw=_raw(trigger),
        zone=str(own) if by_clock and own not in (None, zone.key) else None,
    )


def _told(trigger: dict[str, Any], now: datetime, zone: ZoneInfo) -> str:
    try:
        parsed = parse_trigger(trigger, now=now)
    except SchedulerError as error:
        return error.detail
    if trigger["type"] == "date":
        at = parsed.first(datetime.min.replace(tzinfo=now.tzinfo)) or parsed.at_or_before(now)
        return "once" if at is None else f"once, on {_date(at, zone)}"
    told = parsed.describe().removesuffix(f" ({trigger.get('timezone')})")
    told = told.partition(", from ")[0] if trigger["type"] in ("interval", "calendarinterval") else told
    jitter = f", jitter {words.duration(trigger['jitter'])}" if trigger.get("jitter") else ""
    told = _WHOLE_MINUTE.sub(r"\1", told[:1].lower() + told[1:])
    return (f"every day {told}" if _DAILY.fullmatch(told) else told) + jitter


def _date(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local.day} {local:%b} {local.year} at {local:%H:%M}"


def _raw(trigger: dict[str, Any]) -> str:
    kind = str(trigger.get("type"))
    if "expression" in trigger:
        return str(trigger["expression"])
    if kind == "interval":
        return "interval " + " ".join(
            f"{trigger[unit]:g} {short}" for unit, short in UNITS.items() if trigger.get(unit)
        )
    if kind in ("and", "or"):
        return f"{kind} of {len(trigger.get('triggers', ()))}"
    if kind == "after":
        return f"after {trigger.get('job')}"
    fields = " ".join(f"{name}={value}" for name, value in trigger.items() if name not in FROM_THE_CLOCK)
    return kind if kind == "date" else f"{kind} {fields}"
