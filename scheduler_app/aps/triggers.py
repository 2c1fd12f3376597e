"""APScheduler's trigger objects to our JSON and back.

What comes back is of APScheduler's class, with our arithmetic: its cron loses whole days after a change of the clock,
its `and` may search for ever, its jitter moves the schedule.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from scheduler_app.domain.after import AFTER
from scheduler_app.domain.spec import UTC_ZONE
from scheduler_app.domain.trigger import ApsTrigger, Trigger, parse_trigger
from scheduler_app.domain.zone import find_zone
from scheduler_app.errors import Fault, InvalidTrigger

Spec = dict[str, Any]
CALENDAR_UNITS = ("years", "months", "weeks", "days")
TIME_OF_DAY = ("hour", "minute", "second")


def zone_name(zone: tzinfo | str | None) -> str | None:
    """Return the IANA name of a zone of zoneinfo, pytz or datetime; None when it has none."""
    if zone is None or isinstance(zone, str):
        return zone
    name = getattr(zone, "key", None) or getattr(zone, "zone", None) or str(zone)
    return name if find_zone(name) is not None else None


def to_spec(trigger: BaseTrigger) -> Spec:
    """Return the JSON of a trigger object; InvalidTrigger when it is of a class that JSON has no word for."""
    if isinstance(trigger, ApsTrigger):
        return trigger.trigger.spec
    ours = getattr(trigger, "ours", None)
    if isinstance(ours, Trigger):
        return ours.spec
    for kind, write in WRITERS.items():
        if isinstance(trigger, kind):
            return write(trigger)
    allowed = ", ".join(kind.__name__ for kind in WRITERS)
    detail = f"a trigger of class {type(trigger).__name__} cannot be kept as JSON; give one of {allowed}"
    raise InvalidTrigger.of(Fault(pointer="/trigger", detail=detail))


def _zoned(trigger: Any, **fields: Any) -> Spec:
    """Return the fields that are set, and what every trigger but `date` may have besides."""
    zone = zone_name(getattr(trigger, "timezone", None))
    fields |= {"timezone": zone, "jitter": getattr(trigger, "jitter", None)}
    for name in ("start_date", "end_date"):
        moment = getattr(trigger, name, None)
        fields[name] = None if moment is None else moment.isoformat()
    return {name: value for name, value in fields.items() if value is not None}


def _date(trigger: Any) -> Spec:
    zone = zone_name(trigger.run_date.tzinfo)
    return {"type": "date", "run_date": trigger.run_date.isoformat(), **({"timezone": zone} if zone else {})}


def _interval(trigger: Any) -> Spec:
    step: timedelta = trigger.interval
    seconds: float = step.seconds + step.microseconds / 1e6
    parts = {"days": step.days, "seconds": int(seconds) if seconds == int(seconds) else seconds}
    return _zoned(trigger, type="interval", **{unit: value for unit, value in parts.items() if value})


def _cron(trigger: Any) -> Spec:
    return _zoned(trigger, type="cron", **{field.name: str(field) for field in trigger.fields if not field.is_default})


def _calendar(trigger: Any) -> Spec:
    units = {unit: getattr(trigger, unit) for unit in CALENDAR_UNITS if getattr(trigger, unit)}
    times = {part: value for part in TIME_OF_DAY if (value := getattr(trigger._time, part))}
    return _zoned(trigger, type="calendarinterval", **units, **times)


def _combined(kind: str) -> Callable[[Any], Spec]:
    def write(trigger: Any) -> Spec:
        jitter = {"jitter": trigger.jitter} if trigger.jitter else {}
        return {"type": kind, "triggers": [to_spec(part) for part in trigger.triggers], **jitter}

    return write


WRITERS: dict[type, Callable[[Any], Spec]] = {
    DateTrigger: _date,
    IntervalTrigger: _interval,
    CronTrigger: _cron,
    CalendarIntervalTrigger: _calendar,
    AndTrigger: _combined("and"),
    OrTrigger: _combined("or"),
}


def _next_of_ours(self: Any, previous: datetime | None, now: datetime) -> datetime | None:
    following = self.ours.first(now) if previous is None else self.ours.after(previous)
    return None if following is None else following.astimezone(zone_of(self.ours.spec))


def _with_our_arithmetic(kind: type) -> Any:
    return type(kind.__name__, (kind,), {"__slots__": ("ours",), "get_next_fire_time": _next_of_ours})


OURS: dict[str, Any] = {
    "date": _with_our_arithmetic(DateTrigger),
    "interval": _with_our_arithmetic(IntervalTrigger),
    "cron": _with_our_arithmetic(CronTrigger),
    "calendarinterval": _with_our_arithmetic(CalendarIntervalTrigger),
    "and": _with_our_arithmetic(AndTrigger),
    "or": _with_our_arithmetic(OrTrigger),
}


def from_spec(spec: Mapping[str, Any], *, now: datetime) -> BaseTrigger:
    """Return the trigger object of a trigger's JSON. APScheduler has no class for crontab expressions and `after`."""
    ours = parse_trigger(spec, now=now)
    normal = ours.spec
    kind = normal.pop("type")
    if "expression" in normal or kind == AFTER:
        return ours.aps
    if "triggers" in normal:
        normal["triggers"] = [from_spec(part, now=now) for part in normal["triggers"]]
    trigger = OURS[kind](**_as_python(kind, normal))
    trigger.ours = ours
    return trigger


def _as_python(kind: str, fields: Spec) -> Spec:
    """Return JSON fields as the constructors of APScheduler want them: times as datetimes in their zone."""
    zone = find_zone(fields.get("timezone") or "UTC") or UTC_ZONE
    names = ("run_date",) if kind == "calendarinterval" else ("run_date", "start_date", "end_date")
    moments = {name: datetime.fromisoformat(fields[name]).astimezone(zone) for name in names if fields.get(name)}
    zones = {} if kind in ("and", "or") else {"timezone": zone}
    return {**fields, **zones, **moments}


def zone_of(spec: Mapping[str, Any] | None) -> ZoneInfo:
    """Return the zone in which a trigger's times are told."""
    return find_zone(str((spec or {}).get("timezone") or "UTC")) or UTC_ZONE
