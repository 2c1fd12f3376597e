"""When a trigger or a job fires, over a year for example: computed, drawn and counted, and nothing is executed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any, TypeAlias, overload

from apscheduler.triggers.base import BaseTrigger

from scheduler_app.aps.jobs import StoredJob
from scheduler_app.aps.triggers import to_spec, zone_of
from scheduler_app.clock import SystemClock
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.extension.handles import JobHandle
from scheduler_app.services.jobs import get_job
from scheduler_app.testing.changes import changes_between
from scheduler_app.testing.matching import moment
from scheduler_app.testing.stage import current_stage, latest_stage

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHADES = "·▁▂▃▄▅▆▇█"
MOST_FIRINGS = 2_000_000
AnyTrigger: TypeAlias = Mapping[str, Any] | BaseTrigger | Trigger
AnyJob: TypeAlias = StoredJob | JobHandle | Job


@dataclass(frozen=True, kw_only=True)
class ClockChange:
    """A change of a zone's clocks: when, in its new time, and the offsets before and after."""

    at: datetime
    before: timedelta
    after: timedelta

    def __str__(self) -> str:
        way = "forward" if self.after > self.before else "back"
        old = self.at.replace(tzinfo=None) - (self.after - self.before)
        return f"{self.at:%a %Y-%m-%d}: the clocks are put {way}, {old:%H:%M} → {self.at:%H:%M}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Timeline(Sequence[datetime]):
    """The firings after `start`, up to `end`, in order, each in the zone of the trigger.

    It prints as a picture. `name` says what of; `utc` has the same times in UTC.
    """

    name: str
    start: datetime
    end: datetime
    zone: tzinfo
    utc: tuple[datetime, ...]
    changes: tuple[ClockChange, ...]

    @overload
    def __getitem__(self, place: int) -> datetime: ...
    @overload
    def __getitem__(self, place: slice) -> list[datetime]: ...
    def __getitem__(self, place: int | slice) -> datetime | list[datetime]:
        if isinstance(place, slice):
            return [at.astimezone(self.zone) for at in self.utc[place]]
        return self.utc[place].astimezone(self.zone)

    def __len__(self) -> int:
        return len(self.utc)

    @property
    def per_weekday(self) -> dict[str, int]:
        """How often it fires on each day of the week, `Mon` to `Sun`."""
        counted = Counter(at.weekday() for at in self)
        return {day: counted[number] for number, day in enumerate(DAYS)}

    @property
    def per_hour(self) -> dict[int, int]:
        """How often it fires in each hour of the day, of those in which it does."""
        return dict(sorted(Counter(at.hour for at in self).items()))

    @property
    def longest_gap(self) -> timedelta | None:
        """The longest time between two firings."""
        return max((later - earlier for earlier, later in pairwise(self.utc)), default=None)

    @property
    def shortest_gap(self) -> timedelta | None:
        """The shortest time between two firings."""
        return min((later - earlier for earlier, later in pairwise(self.utc)), default=None)

    def __repr__(self) -> str:
        head = f"{self.name}: {len(self)} firings from {self._day(self.start)} to {self._day(self.end)}, {self.zone}"
        return "\n".join([head, *(self._picture() if self.utc else []), *self._notes()])

    def _day(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%Y-%m-%d}"

    def _picture(self) -> list[str]:
        """Return a row for each weekday with a column for each hour, darker where it fires more often."""
        counted = Counter((at.weekday(), at.hour) for at in self)
        most = max(counted.values())
        lines = ["       " + "".join(f"{hour:<6}" for hour in (0, 6, 12, 18)) + "24"]
        for number, (day, total) in enumerate(self.per_weekday.items()):
            shades = "".join(_shade(counted[number, hour], most) for hour in range(24))
            lines.append(f"  {day}  {shades}  {total}")
        return lines

    def _notes(self) -> list[str]:
        notes = []
        if self.utc:
            notes.append(f"  first {self[0]:%a %Y-%m-%d %H:%M:%S %z}, last {self[-1]:%a %Y-%m-%d %H:%M:%S %z}")
        if len(self.utc) > 1:
            notes.append(f"  between two: {self.shortest_gap} at least, {self.longest_gap} at most")
        for change in self.changes:
            day = [at for at in self if at.date() == change.at.date()]
            times = ", ".join(f"{at:%H:%M}" for at in day[:6]) + (", …" if len(day) > 6 else "")
            notes.append(f"  {change}; fires {_often(len(day))} that day{': ' + times if day else ''}")
        return notes


def simulate(
    trigger_or_job: AnyTrigger | AnyJob | str, days: float = 365, *, start: datetime | str | None = None
) -> Timeline:
    """Return when a trigger or a job fires in so many days from now, or from `start`. Nothing is executed.

    It takes a trigger in JSON, an APScheduler trigger, a crontab expression (in UTC), or a job or its id. A job is told
    as its trigger stands, from its next time on; one that is paused or finished does not fire.

        year = simulate({"type": "cron", "expression": "0 9 * * 1-5", "timezone": "Europe/Berlin"})
        assert year.per_weekday["Sat"] == 0
        print(year)
    """
    stage = latest_stage()
    begin = moment(start) or (stage.clock if stage is not None else SystemClock()).now()
    job = _job_of(trigger_or_job)
    if job is None:
        trigger = _trigger_of(trigger_or_job, begin)
        first = trigger.first(begin)
    else:
        trigger = parse_trigger(job.trigger or {"type": "date", "run_date": job.created_at.isoformat()}, now=begin)
        first = job.next_run_time if job.state is JobState.ACTIVE else None
        first = first if first is None or first >= begin else trigger.after(begin)
    end = begin + timedelta(days=days)
    zone = zone_of(_zoned(trigger.spec))
    changes = changes_between(zone.key, begin, end)
    return Timeline(
        name=trigger.describe() if job is None else _title(job, trigger),
        start=begin,
        end=end,
        zone=zone,
        utc=tuple(_until(trigger, first, end)),
        changes=tuple(ClockChange(at=at.astimezone(zone), before=old, after=new) for at, old, new in changes),
    )


def _until(trigger: Trigger, first: datetime | None, end: datetime) -> list[datetime]:
    found: list[datetime] = []
    while first is not None and first <= end:
        found.append(first)
        if len(found) > MOST_FIRINGS:
            raise ValueError(f"it fires more than {MOST_FIRINGS:,} times by {end.date()}; ask for fewer days")
        first = trigger.after(first)
    return found


def _job_of(given: Any) -> Job | None:
    if isinstance(given, Job):
        return given
    if isinstance(given, StoredJob):
        return given.record
    if isinstance(given, JobHandle):
        return given.job
    if isinstance(given, str) and not _is_expression(given):
        stage = current_stage()
        stage.core.desk.settle()
        return get_job(given, ctx=stage.core.ctx)
    return None


def _trigger_of(given: Any, now: datetime) -> Trigger:
    if isinstance(given, Trigger):
        return given
    if isinstance(given, BaseTrigger):
        return parse_trigger(to_spec(given), now=now)
    if isinstance(given, str):
        return parse_trigger({"type": "cron", "expression": given}, now=now)
    if isinstance(given, Mapping):
        return parse_trigger(given, now=now)
    raise TypeError(f"simulate takes a trigger, a crontab expression, a job or the id of one, got {given!r}")


def _is_expression(text: str) -> bool:
    return " " in text.strip() or text.startswith("@")


def _zoned(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a trigger that names its zone: that of the first one inside of `or` and `and`."""
    inner = spec.get("triggers")
    return _zoned(inner[0]) if inner else spec


def _title(job: Job, trigger: Trigger) -> str:
    state = "" if job.state is JobState.ACTIVE else f" ({job.state})"
    return f"job {job.id}{state}, {trigger.describe()}"


def _shade(count: int, most: int) -> str:
    return SHADES[0] if count == 0 else SHADES[max(1, round(count / most * (len(SHADES) - 1)))]


def _often(number: int) -> str:
    return {0: "not once", 1: "once", 2: "twice"}.get(number, f"{number} times")
