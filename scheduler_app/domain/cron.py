"""The trigger `cron`: a crontab(5) expression, or APScheduler's fields, over the wall clock of a zone."""

from dataclasses import dataclass
from datetime import datetime

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.cron_fields import FIELD_NAMES, FieldTable, read_fields
from scheduler_app.domain.cron_fields_words import describe_fields, warn_of_field_values
from scheduler_app.domain.cron_syntax import MACROS
from scheduler_app.domain.cron_table import CronTable, parse_expression
from scheduler_app.domain.cron_words import describe_cron, warn_of_changes, warn_of_fields
from scheduler_app.domain.spec import Spec
from scheduler_app.domain.wall import WallSchedule
from scheduler_app.domain.zone import in_zone


@dataclass(frozen=True, kw_only=True)
class Cron(WallSchedule):
    """The schedule of an expression."""

    table: CronTable

    def describe(self) -> str:
        """Return it in words."""
        return f"{describe_cron(self.table.fields)} ({self.zone.key})"

    def warnings(self, now: datetime) -> list[str]:
        """Say what the fields or the clock changes of the coming year do that a person may not expect."""
        return [*warn_of_fields(self.table.fields), *warn_of_changes(self.table, self.zone, now)]


@dataclass(frozen=True, kw_only=True)
class CronFields(WallSchedule):
    """The schedule of APScheduler's fields."""

    table: FieldTable

    def describe(self) -> str:
        """Return it in words."""
        return f"{describe_fields(self.table.texts)} ({self.zone.key})"

    def warnings(self, now: datetime) -> list[str]:
        """Say what the fields or the clock changes of the coming year do that a person may not expect."""
        return [*warn_of_field_values(self.table.texts), *warn_of_changes(self.table, self.zone, now)]


def parse_cron(spec: Spec) -> tuple[dict[str, object], Cron | CronFields]:
    """Read a `cron` trigger, expression or fields; return it in normal form, with its schedule."""
    seconds = spec.flag("seconds")
    start, end = spec.moment("start_date"), spec.moment("end_date")
    named = [name for name in FIELD_NAMES if spec.has(name)]
    _refuse_both(spec, named)
    spec.settle()
    # An end alone would make the set of firings depend on when it is read; from now on it has a begin.
    start = spec.now if start is None and end is not None else start
    schedule: Cron | CronFields
    if named:
        normal, fields = read_fields(spec)
        schedule = CronFields(table=fields, zone=spec.zone, start=start, end=end)
    else:
        table = parse_expression(spec.given["expression"], seconds=seconds)
        normal = {"expression": _normal(str(spec.given["expression"]))} | ({"seconds": True} if seconds else {})
        schedule = Cron(table=table, zone=spec.zone, start=start, end=end)
    _refuse_empty(spec, schedule)
    normal |= {"timezone": spec.zone.key}
    normal |= {key: in_zone(at, spec.zone) for key, at in (("start_date", start), ("end_date", end)) if at}
    return normal, schedule


def _refuse_both(spec: Spec, named: list[str]) -> None:
    if not named and not spec.has("expression"):
        spec.fault(
            "expression",
            "'expression' is missing; a cron trigger needs one, like '0 9 * * 1-5', or fields like 'hour'.",
        )
    if named and spec.has("expression"):
        spec.fault(named[0], f"'{named[0]}' stands beside 'expression'; a cron trigger has an expression or fields.")
    if named and spec.has("seconds"):
        spec.fault("seconds", "'seconds' belongs to an expression of six fields; the field is named 'second'.")


def _normal(expression: str) -> str:
    text = " ".join(expression.split())
    return text.lower() if text.lower() in MACROS else text


def _refuse_empty(spec: Spec, schedule: Cron | CronFields) -> None:
    if schedule.start is None or schedule.after(schedule.start - MICROSECOND) is not None:
        return
    since = in_zone(schedule.start, spec.zone)
    if schedule.end is None:
        key = "year" if spec.has("year") else "start_date"
        spec.fault(key, f"The trigger never fires: no time matches from {since} on.")
    elif schedule.end < schedule.start:
        spec.fault("end_date", f"The trigger never fires: 'end_date' is before its start, {since}.")
    else:
        spec.fault("end_date", f"The trigger never fires: no time matches from {since} to 'end_date'.")
    spec.settle()
