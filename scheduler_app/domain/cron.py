"""The trigger `cron`, across the clock changes of a zone, as Debian's cron(8) runs it.

Two kinds of job, as there. A *wildcard* job (its minute or hour field starts with `*`) follows the wall clock: it
fires at every instant at which the clock shows a matching time, so an hour that comes twice counts twice and an hour
that is skipped does not count. A *fixed* job fires once per matching local time: when the clock is put forward over
that time, right after the gap; when it is put back, only the first time. Changes of more than three hours (the day
that Samoa skipped) are corrections for both: the new time counts at once.

The library under this (cronsim) parses, and tells whether a date matches. It does not walk here: across clock changes
it can step backwards in time, skip days and fire at times that do not exist (tests/domain/test_cron.py).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.cron_syntax import MACROS
from scheduler_app.domain.cron_table import CronTable, parse_expression
from scheduler_app.domain.cron_words import describe_cron, warn_of_changes, warn_of_fields
from scheduler_app.domain.schedule import END, FIRST, budgeted, count_by_walking
from scheduler_app.domain.spec import Spec
from scheduler_app.domain.zone import SECOND, Span, in_zone, spans_back_from, spans_from


@dataclass(frozen=True, kw_only=True)
class Cron:
    """A schedule that fires when the wall clock of `zone` matches `table`, from `start` to `end`, both included."""

    expression: str
    table: CronTable
    zone: ZoneInfo
    start: datetime | None
    end: datetime | None

    def after(self, moment: datetime) -> datetime | None:
        """Return the first firing strictly after `moment`."""
        moment = max(moment, (self.start or FIRST) - MICROSECOND)
        if moment >= (self.end or END):
            return None
        firing = self._from(moment.astimezone(UTC).replace(microsecond=0, tzinfo=None) + SECOND)
        return firing if firing and firing <= (self.end or END) else None

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the last firing at or before `moment`."""
        moment = min(moment, self.end or END - MICROSECOND)
        if moment < (self.start or FIRST):
            return None
        firing = self._back_from(moment.astimezone(UTC).replace(microsecond=0, tzinfo=None))
        return firing if firing and firing >= (self.start or FIRST) else None

    def first(self, now: datetime) -> datetime | None:
        """Return the first firing strictly after `now`."""
        return self.after(now)

    def count(self, since: datetime, until: datetime) -> int | None:
        """Return how many firings lie from `since` (a firing) to `until`; None when over 10,000."""
        return count_by_walking(self, since, until)

    def describe(self) -> str:
        """Return it in words."""
        return f"{describe_cron(self.table.fields)} ({self.zone.key})"

    def warnings(self, now: datetime) -> list[str]:
        """Say what the fields or the clock changes of the coming year do that a person may not expect."""
        return [*warn_of_fields(self.table.fields), *warn_of_changes(self.table, self.zone, now)]

    def _from(self, moment: datetime) -> datetime | None:
        """Return the first firing at or after `moment` (naive UTC, whole seconds)."""
        for span in budgeted(spans_from(self.zone, moment)):
            begin = self._begin(span)
            wall = self.table.at_or_after(max(begin, moment + span.offset) if moment > span.start else begin)
            if wall is None:
                return None
            firing = max(wall - span.offset, span.start)
            if firing < span.end:
                return firing.replace(tzinfo=UTC)
        return None

    def _back_from(self, moment: datetime) -> datetime | None:
        """Return the last firing at or before `moment` (naive UTC, whole seconds)."""
        for span in budgeted(spans_back_from(self.zone, moment)):
            wall = self.table.at_or_before(min(moment, span.end - SECOND) + span.offset)
            if wall is None:
                return None
            if wall >= self._begin(span):
                return max(wall - span.offset, span.start).replace(tzinfo=UTC)
        return None

    def _begin(self, span: Span) -> datetime:
        return span.start + span.offset if self.table.wildcard else span.fresh


def parse_cron(spec: Spec) -> tuple[dict[str, object], Cron]:
    """Read the fields of a `cron` trigger; return them in normal form, with their schedule."""
    seconds = spec.flag("seconds")
    start, end = spec.moment("start_date"), spec.moment("end_date")
    if not spec.has("expression"):
        spec.fault("expression", "'expression' is missing; a cron trigger needs one, like '0 9 * * 1-5'.")
    spec.settle()
    table = parse_expression(spec.given["expression"], seconds=seconds)
    expression = _normal(str(spec.given["expression"]))
    # An end alone would make the set of firings depend on when it is read; from now on it has a begin.
    start = spec.now if start is None and end is not None else start
    schedule = Cron(expression=expression, table=table, zone=spec.zone, start=start, end=end)
    _refuse_empty(spec, schedule)
    normal: dict[str, object] = {"expression": expression, "timezone": spec.zone.key}
    normal |= {"seconds": True} if seconds else {}
    normal |= {key: in_zone(at, spec.zone) for key, at in (("start_date", start), ("end_date", end)) if at}
    return normal, schedule


def _normal(expression: str) -> str:
    text = " ".join(expression.split())
    return text.lower() if text.lower() in MACROS else text


def _refuse_empty(spec: Spec, schedule: Cron) -> None:
    if schedule.start is None or schedule.after(schedule.start - MICROSECOND) is not None:
        return
    since = in_zone(schedule.start, spec.zone)
    if schedule.end is None:
        spec.fault("start_date", f"The trigger never fires: no time matches from {since} on.")
    elif schedule.end < schedule.start:
        spec.fault("end_date", f"The trigger never fires: 'end_date' is before its start, {since}.")
    else:
        spec.fault("end_date", f"The trigger never fires: no time matches from {since} to 'end_date'.")
    spec.settle()
