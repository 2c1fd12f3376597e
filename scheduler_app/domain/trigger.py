"""Triggers: when a job fires. JSON in APScheduler's words goes in, a frozen value that answers questions comes out.

A trigger in normal form (`Trigger.spec`) holds all it needs: read again at any later time it gives an equal trigger.
So whatever is taken from the clock when a job is admitted (the start of an interval) stands in the spec from then on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

from apscheduler.triggers.base import BaseTrigger

from scheduler_app.clock import rfc3339
from scheduler_app.domain.after import AFTER, AfterRuns, parse_after
from scheduler_app.domain.calendar_interval import PERIODS, TIMES, parse_calendar_interval
from scheduler_app.domain.combining import COMBINING, AllOf, AnyOf, parse_combined, refuse_too_many
from scheduler_app.domain.compact import parse, text_of
from scheduler_app.domain.cron import parse_cron
from scheduler_app.domain.cron_fields import FIELD_NAMES
from scheduler_app.domain.date_trigger import parse_date
from scheduler_app.domain.interval import UNITS, parse_interval
from scheduler_app.domain.schedule import Schedule
from scheduler_app.domain.spec import Spec, nearest, shown
from scheduler_app.domain.trigger_warnings import warn_of_past, warn_of_times
from scheduler_app.errors import Fault, InvalidTrigger, TriggerBudgetExceeded
from scheduler_app.values import value

Parser = Callable[[Spec], tuple[dict[str, object], Schedule]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type of trigger: the fields it takes beside `type`, and who reads them."""

    fields: frozenset[str]
    parse: Parser


WINDOW = frozenset({"start_date", "end_date", "timezone"})
KINDS: dict[str, Kind] = {
    AFTER: Kind(fields=frozenset({"job", "on"}), parse=parse_after),
    "date": Kind(fields=frozenset({"run_date", "timezone"}), parse=parse_date),
    "interval": Kind(fields=WINDOW | {*UNITS, "jitter"}, parse=parse_interval),
    "cron": Kind(fields=WINDOW | {"expression", "seconds", *FIELD_NAMES, "jitter"}, parse=parse_cron),
    "calendarinterval": Kind(fields=WINDOW | {*PERIODS, *TIMES, "jitter"}, parse=parse_calendar_interval),
    "or": Kind(
        fields=frozenset({"triggers", "jitter"}), parse=lambda spec: parse_combined(spec, AnyOf, read=_read_inner)
    ),
    "and": Kind(
        fields=frozenset({"triggers", "jitter"}), parse=lambda spec: parse_combined(spec, AllOf, read=_read_inner)
    ),
}
# Longer than that a run is not delayed but postponed.
LONGEST_JITTER = 30 * 86_400


@value
class Trigger:
    """When a job fires. Two triggers are equal when their specs are.

    `jitter`: over so many seconds the runs are spread; it moves no firing.
    """

    text: str
    jitter: float = field(default=0.0, compare=False)
    schedule: Schedule = field(compare=False, repr=False)
    read_at: datetime = field(compare=False, repr=False)

    @property
    def spec(self) -> dict[str, Any]:
        """Return the trigger in normal form, as JSON would carry it."""
        spec: dict[str, Any] = parse(self.text)
        return spec

    @property
    def type(self) -> str:
        """Return the type, one of KINDS."""
        return str(self.spec["type"])

    @property
    def aps(self) -> "ApsTrigger":
        """Return the trigger as APScheduler wants it."""
        return ApsTrigger(self)

    @property
    def runs(self) -> AfterRuns | None:
        """Return which runs fire the job; None when it fires at times."""
        return self.schedule if isinstance(self.schedule, AfterRuns) else None

    def after(self, moment: datetime) -> datetime | None:
        """Return the first firing strictly after `moment`, in UTC, or None."""
        return self.schedule.after(moment)

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the last firing at or before `moment`, in UTC, or None."""
        return self.schedule.at_or_before(moment)

    def first(self, now: datetime) -> datetime | None:
        """Return the first firing of a job that is admitted at `now`, or None when all are past."""
        return self.schedule.first(now)

    def describe(self) -> str:
        """Return the trigger in words."""
        return self.schedule.describe()

    def warnings(self, now: datetime | None = None) -> list[str]:
        """Return what a person may not expect of this trigger in the year after it was read, told at `now`."""
        if self.runs is not None:
            return []
        spec = self.spec
        past = warn_of_past(spec, now or self.read_at)
        times = warn_of_times(spec, self.schedule, begin=self.read_at, jitter=self.jitter)
        return [*past, *times, *self.schedule.warnings(self.read_at)]


class ApsTrigger(BaseTrigger):  # type: ignore[misc]
    """A trigger in APScheduler's clothes."""

    __slots__ = ("trigger",)

    def __init__(self, trigger: Trigger) -> None:
        self.trigger = trigger

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """Return the firing after the previous one, which APScheduler compares with its own clock."""
        return self.trigger.first(now) if previous_fire_time is None else self.trigger.after(previous_fire_time)

    def __str__(self) -> str:
        return self.trigger.describe()


def parse_trigger(spec: Mapping[str, object], *, now: datetime) -> Trigger:
    """Return the trigger that `spec` says, or refuse it as InvalidTrigger.

    A spec whose window of `start_date` to `end_date` is not empty but past is accepted, since a job that has finished
    is read back by this; `admit_trigger` refuses it.
    """
    now = now.astimezone(UTC)
    if isinstance(spec, Mapping) and spec.get("type") in COMBINING:
        refuse_too_many(spec)
    normal, schedule, jitter = _read(spec, now)
    return Trigger(text=text_of(_sorted(normal)), jitter=jitter, schedule=schedule, read_at=now)


def _sorted(normal: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trigger with its fields in order, so that what is equal has the same text."""
    whole = {name: normal[name] for name in sorted(normal)}
    if "triggers" in whole:
        whole["triggers"] = [_sorted(part) for part in whole["triggers"]]
    return whole


def admit_trigger(spec: Mapping[str, object], *, now: datetime) -> Trigger:
    """Return the trigger of a new job: like `parse_trigger`, and it fires at least once from `now` on."""
    trigger = parse_trigger(spec, now=now)
    if trigger.runs is not None:
        return trigger  # as often as they do
    try:
        first = trigger.first(now)
        if first is not None:
            trigger.after(first)
    except TriggerBudgetExceeded as error:
        raise blame(spec, str(error)) from None
    if first is None:
        raise blame(spec, f"The trigger has no firing after {rfc3339(now)}.")
    return trigger


def blame(spec: Mapping[str, object], detail: str) -> InvalidTrigger:
    """Return the error that names the field to blame when a trigger that reads well does not fire."""
    key = next((key for key in ("triggers", "end_date", "year") if spec.get(key) is not None), "start_date")
    return InvalidTrigger.of(Fault(pointer=f"/{key}", detail=detail))


def _read(spec: Mapping[str, object], now: datetime) -> tuple[dict[str, object], Schedule, float]:
    name = _type_of(spec)
    given = {key: value for key, value in spec.items() if key != "type"}
    fields = Spec(given, fields=KINDS[name].fields, now=now)
    jitter = fields.amount("jitter") if "jitter" in KINDS[name].fields else 0
    if jitter > LONGEST_JITTER:
        fields.fault("jitter", f"'jitter' must be at most {LONGEST_JITTER} seconds (30 days), got more.")
    normal, schedule = KINDS[name].parse(fields)
    kept = {"jitter": given["jitter"]} if jitter else {}
    return {"type": name, **normal, **kept}, schedule, float(jitter)


def _read_inner(spec: Mapping[str, object], now: datetime) -> tuple[dict[str, object], Schedule]:
    """Read a trigger inside another; `jitter` belongs to the whole, since it delays runs and moves no firing."""
    normal, schedule, jitter = _read(spec, now)
    if isinstance(schedule, AfterRuns):
        _refuse("/type", "'after' has no times that others could be combined with; give it a job of its own.")
    if jitter:
        _refuse("/jitter", "'jitter' delays the runs of a job, so it stands in the outermost trigger only.")
    return normal, schedule


def _refuse(pointer: str, detail: str) -> NoReturn:
    raise InvalidTrigger.of(Fault(pointer=pointer, detail=detail))


def _type_of(spec: Mapping[str, object]) -> str:
    if not isinstance(spec, Mapping):
        _refuse("", f'A trigger must be an object like {{"type": "interval", "minutes": 5}}, got {shown(spec)}.')
    if strange := [key for key in spec if not isinstance(key, str)]:
        _refuse("", f"The keys of a trigger must be strings, got {shown(strange[0])}.")
    name = spec.get("type")
    if not isinstance(name, str) or name not in KINDS:
        hint = nearest(name, KINDS) if isinstance(name, str) else ""
        _refuse("/type", f"'type' must be one of {', '.join(sorted(KINDS))}, got {shown(name)}{hint}.")
    return name
