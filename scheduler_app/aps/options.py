"""The options with which Python code, or Flask-APScheduler's configuration, describes a job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from pydantic import ValidationError

from scheduler_app.aps.triggers import CALENDAR_UNITS, TIME_OF_DAY, to_spec, zone_name
from scheduler_app.domain.after import AFTER
from scheduler_app.domain.job import NO_OVERRIDES
from scheduler_app.domain.policy import POLICY_NAMES, Executor, Overrides
from scheduler_app.domain.spec import UTC_ZONE, nearest, shown
from scheduler_app.domain.task import to_json
from scheduler_app.domain.trigger import KINDS
from scheduler_app.domain.zone import find_zone
from scheduler_app.errors import Fault, InvalidInput, InvalidTrigger
from scheduler_app.services.definitions import Start
from scheduler_app.values import value

ABSENT: Any = object()
DEFAULT = "default"
THREADS = frozenset({DEFAULT, "thread", "threadpool"})
ELSEWHERE = {"process": Executor.PROCESS, "processpool": Executor.PROCESS, "celery": Executor.CELERY}
CRON_FIELDS = ("year", "month", "day", "week", "day_of_week")
TRIGGER_FIELDS = frozenset().union(*(kind.fields for kind in KINDS.values())) | {
    *(*CALENDAR_UNITS, *TIME_OF_DAY, *CRON_FIELDS, "jitter", "triggers")
}
JOB_OPTIONS = frozenset(
    {"id", "func", "name", "args", "kwargs", "trigger", "next_run_time", "jobstore", "executor", "replace_existing"}
)
POLICIES = frozenset(POLICY_NAMES) - {"executor"}
# the types whose values stay as they are in JSON
AS_IN_JSON = frozenset({str, int, bool, type(None)})
KNOWN = JOB_OPTIONS | POLICIES | TRIGGER_FIELDS


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What the configuration says of every job: the zone of times without one, policies, names of executors."""

    zone: tzinfo = UTC_ZONE
    policies: Mapping[str, Any] = field(default_factory=dict)
    executors: frozenset[str] = THREADS


@value
class Options:
    """The options of one call, sorted. What is ABSENT was not given; `start` likewise is None then."""

    id: Any
    func: Any
    name: Any
    args: Any
    kwargs: Any
    trigger: Any
    start: Start | None
    policies: dict[str, Any]
    replacing: bool

    @classmethod
    def of(cls, given: Mapping[str, Any], habits: Habits) -> "Options":
        """Sort what was given; InvalidInput names what cannot be."""
        _refuse_unknown(given)
        _check_places(given, habits)
        fields = {name: value for name, value in given.items() if name in TRIGGER_FIELDS}
        has_start = "next_run_time" in given
        return cls(
            id=given.get("id", ABSENT),
            func=given.get("func", ABSENT),
            name=given.get("name", ABSENT),
            args=_arguments(given, "args", list),
            kwargs=_arguments(given, "kwargs", dict),
            trigger=_trigger(given.get("trigger", ABSENT), fields, habits.zone),
            start=Start(at=_moment(given["next_run_time"], habits.zone)) if has_start else None,
            policies=_policies(given),
            replacing=given.get("replace_existing") is True,
        )


def overrides_of(values: Mapping[str, Any]) -> Overrides:
    """Return policies, checked; InvalidInput names each that is wrong."""
    if not values:
        return NO_OVERRIDES
    try:
        return Overrides.model_validate(dict(values))
    except ValidationError as error:
        found = [(str(item["loc"][0]), item) for item in error.errors(include_url=False)]
        faults = [
            Fault(pointer=f"/{name}", detail=f"{name}: {item['msg']}, got {shown(item['input'])}")
            for name, item in found
        ]
        raise InvalidInput.of(*faults) from None


def _policies(given: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: value for name, value in given.items() if name in POLICIES}
    if given.get("executor") is not None and (executor := _executor(str(given["executor"]))) is not None:
        values["executor"] = executor
    overrides_of(values)
    return values


def _executor(name: str) -> Executor | None:
    """Return the executor that a name says; None when it leaves that to the task."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    return Executor.THREAD if name in THREADS - {DEFAULT} else None


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    if given.keys() <= KNOWN:
        return
    for name in given:
        if name not in KNOWN:
            detail = f"{shown(name)} is no option of a job{nearest(str(name), KNOWN)}"
            raise InvalidInput.of(Fault(pointer=f"/{str(name)[:64]}", detail=detail))


def _check_places(given: Mapping[str, Any], habits: Habits) -> None:
    executor, store = given.get("executor"), given.get("jobstore")
    if executor is not None and str(executor) not in habits.executors | ELSEWHERE.keys():
        allowed = ", ".join(sorted(habits.executors | ELSEWHERE.keys()))
        detail = f"there is no executor {shown(executor)}; use one of {allowed}"
        raise InvalidInput.of(Fault(pointer="/executor", detail=detail))
    if store not in (None, DEFAULT):
        detail = f"there is no job store {shown(store)}; every job is in the one of SCHEDULER_DATABASE: leave it out"
        raise InvalidInput.of(Fault(pointer="/jobstore", detail=detail))


def _arguments(given: Mapping[str, Any], name: str, kind: type) -> Any:
    value = given.get(name, ABSENT)
    if value is ABSENT or value is None:
        return kind() if value is None else ABSENT
    fits = isinstance(value, list | tuple) if kind is list else isinstance(value, Mapping)
    if not fits:
        words = "a list" if kind is list else "an object"
        raise InvalidInput.of(Fault(pointer=f"/{name}", detail=f"{name} must be {words}, got {shown(value)}"))
    return kind(value)


def _trigger(trigger: Any, fields: dict[str, Any], zone: tzinfo) -> Any:
    """Return the trigger's JSON, None for none (once, now), ABSENT when nothing was said of it."""
    if isinstance(trigger, BaseTrigger):
        if fields:
            raise _misplaced(next(iter(fields)), "the trigger object has its own fields")
        return to_spec(trigger)
    if trigger is ABSENT or trigger is None:
        if not fields:
            return trigger
        if "run_date" not in fields:
            raise _misplaced(next(iter(fields)), "give `trigger` too: 'interval', 'cron', 'date' and so on")
        trigger = "date"
    whole = {"type": "date", **trigger, **fields} if isinstance(trigger, Mapping) else {"type": trigger, **fields}
    if whole["type"] == "date" and whole.get("run_date") is None and whole.keys() <= {"type", "run_date", "timezone"}:
        return None  # as APScheduler's: once, now
    return _in_zone(whole, zone)


def parent_in(given: Mapping[str, Any]) -> Any:
    """Return the id of the job that the options of another one say it comes after; None when they say no such thing."""
    trigger = given.get("trigger")
    if isinstance(trigger, Mapping):
        given = {**trigger, "trigger": trigger.get("type")}
    return given.get("job") if given.get("trigger") == AFTER else None


def _misplaced(name: str, what: str) -> InvalidInput:
    return InvalidTrigger.of(Fault(pointer=f"/{name}", detail=f"{name} belongs to a trigger; {what}"))


def _in_zone(spec: dict[str, Any], zone: tzinfo) -> dict[str, Any]:
    """Return a trigger as JSON; times without a zone are in the scheduler's."""
    given = spec.get("timezone")
    if spec["type"] == AFTER:
        return spec
    if spec["type"] in ("and", "or"):
        parts = spec.get("triggers")
        inner = [_trigger(part, {}, zone) or part for part in parts] if isinstance(parts, list | tuple) else parts
        return {**spec, "triggers": inner}
    named = (zone_name(given) or str(given)) if given is not None else zone_name(zone)
    plain = {name: value.isoformat() if isinstance(value, date) else value for name, value in spec.items()}
    plain["timezone"] = named or "UTC"
    if all(type(value) in AS_IN_JSON for value in plain.values()):
        return plain
    whole: dict[str, Any] = to_json(plain)
    return whole


def _moment(value: Any, zone: tzinfo) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=find_zone(zone_name(zone) or "UTC") or UTC_ZONE)
        aware: datetime = moment.astimezone(UTC_ZONE)
        return aware
    except (ValueError, AttributeError, OverflowError):
        detail = f"next_run_time must be a time, or null to begin paused, got {shown(value)}"
        raise InvalidInput.of(Fault(pointer="/next_run_time", detail=detail)) from None
