"""The trigger `date`: one firing, at a given time."""

from datetime import datetime
from zoneinfo import ZoneInfo

from scheduler_app.domain.spec import Spec
from scheduler_app.domain.zone import in_zone
from scheduler_app.values import value


@value
class OneTime:
    """A schedule of a single firing; it stands even when its time is past, the job is then overdue."""

    run_date: datetime
    zone: ZoneInfo
    note: str = ""

    def after(self, moment: datetime) -> datetime | None:
        """Return the firing if it is after `moment`."""
        return self.run_date if self.run_date > moment else None

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the firing if it is at or before `moment`."""
        return self.run_date if self.run_date <= moment else None

    def first(self, now: datetime) -> datetime | None:
        """Return the firing, past or not."""
        return self.run_date

    def count(self, since: datetime, until: datetime) -> int | None:
        """Return 1 if the firing lies in the range, else 0."""
        return int(since <= self.run_date <= until)

    def describe(self) -> str:
        """Return it in words."""
        return f"Once, at {in_zone(self.run_date, self.zone)} ({self.zone.key})"

    def warnings(self, now: datetime) -> list[str]:
        """Say so when the time is past, or was one that a clock change skips or repeats."""
        past = f"The time {in_zone(self.run_date, self.zone)} is past; the job is due at once."
        return [*([self.note] if self.note else []), *([past] if self.run_date < now else [])]


def parse_date(spec: Spec) -> tuple[dict[str, object], OneTime]:
    """Read the fields of a `date` trigger; return them in normal form, with their schedule."""
    run_date = spec.moment("run_date")
    if not spec.has("run_date"):
        spec.fault("run_date", "'run_date' is missing; a date trigger needs the time to fire at.")
    spec.settle()
    assert run_date is not None
    schedule = OneTime(run_date=run_date, zone=spec.zone, note=_note(spec, run_date))
    return {"run_date": in_zone(run_date, spec.zone), "timezone": spec.zone.key}, schedule


def _note(spec: Spec, run_date: datetime) -> str:
    strange = spec.skipped_or_repeated("run_date")
    if not strange:
        return ""
    return f"{spec.given['run_date']} {strange} in {spec.zone.key}; it fires at {in_zone(run_date, spec.zone)}."
