"""Schedules by the wall clock of a zone, across its clock changes, as Debian's cron(8) runs its jobs.

Two kinds, as there. A *wildcard* schedule (its minute or hour field starts with `*`) follows the wall clock: it fires
at every instant at which the clock shows a matching time, so an hour that comes twice counts twice and an hour that is
skipped does not count. A *fixed* one fires once per matching local time: when the clock is put forward over that time,
right after the gap; when it is put back, only the first time. Changes of more than three hours (the day that Samoa
skipped) are corrections for both: the new time counts at once.

The libraries do not walk here: across clock changes they step backwards in time, skip days and fire at times that do
not exist (tests/domain/test_cron.py, tests/domain/test_cron_fields.py).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from scheduler_app.clock import EPOCH, MICROSECOND
from scheduler_app.domain.schedule import END, FIRST, STEP_BUDGET, TOO_MANY_STEPS, budgeted, count_by_walking
from scheduler_app.domain.wall_table import WallTable
from scheduler_app.domain.zone import SECOND, Span, span_of, spans_back_from
from scheduler_app.errors import TriggerBudgetExceeded

NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
# Over so long a stretch a clock change can neither hide a match nor bring one back.
FAR = timedelta(days=3)


@dataclass(frozen=True, kw_only=True)
class WallSchedule:
    """A schedule that fires when the wall clock of `zone` matches `table`, from `start` to `end`, both included."""

    table: WallTable
    zone: ZoneInfo
    start: datetime | None
    end: datetime | None

    def after(self, moment: datetime) -> datetime | None:
        """Return the first firing strictly after `moment`."""
        start = self.start or FIRST
        if moment < start:
            moment = start - MICROSECOND
        if moment >= (self.end or END):
            return None
        firing = self._from(_naive(moment) + SECOND)
        return firing if firing and firing <= (self.end or END) else None

    def at_or_before(self, moment: datetime) -> datetime | None:
        """Return the last firing at or before `moment`."""
        moment = min(moment, self.end or END - MICROSECOND)
        if moment < (self.start or FIRST):
            return None
        firing = self._back_from(_naive(moment))
        return firing if firing and firing >= (self.start or FIRST) else None

    def first(self, now: datetime) -> datetime | None:
        """Return the first firing strictly after `now`."""
        return self.after(now)

    def count(self, since: datetime, until: datetime) -> int | None:
        """Return how many firings lie from `since` (a firing) to `until`; None when over 10,000."""
        first, last = _naive(since), _naive(until)
        span = span_of(self.zone, first)
        if span is None or first - span.start < FAR or last >= span.end or last - first > FAR:
            return count_by_walking(self.after, since, until)
        counted = self.table.count(first + span.offset, min(last, _naive(self.end or END)) + span.offset)
        return counted if counted <= STEP_BUDGET else None

    def _from(self, moment: datetime) -> datetime | None:
        """Return the first firing at or after `moment` (naive UTC, whole seconds)."""
        for _ in range(STEP_BUDGET):
            span = span_of(self.zone, moment)
            if span is None:
                return None
            begin = self._begin(span)
            wall = self.table.at_or_after(max(begin, moment + span.offset) if moment > span.start else begin)
            if wall is None or (firing := max(wall - span.offset, span.start)) < span.end:
                return _aware(firing) if wall else None
            moment = max(span.end, wall - FAR) if span.end - moment > FAR else span.end
        raise TriggerBudgetExceeded(TOO_MANY_STEPS)

    def _back_from(self, moment: datetime) -> datetime | None:
        """Return the last firing at or before `moment` (naive UTC, whole seconds)."""
        for _ in budgeted(count()):
            span = next(spans_back_from(self.zone, moment), None)
            wall = None if span is None else self.table.at_or_before(min(moment, span.end - SECOND) + span.offset)
            if span is None or wall is None:
                return None
            if wall >= self._begin(span):
                return _aware(max(wall - span.offset, span.start))
            before = span.start - SECOND
            moment = min(before, wall + FAR) if moment - span.start > FAR else before
        return None

    def _begin(self, span: Span) -> datetime:
        return span.start + span.offset if self.table.wildcard else span.fresh


# `replace` takes five times as long
def _naive(moment: datetime) -> datetime:
    since = moment - EPOCH
    return NAIVE_EPOCH + timedelta(since.days, since.seconds)


def _aware(moment: datetime) -> datetime:
    return EPOCH + (moment - NAIVE_EPOCH)
