"""Reckon what is planned for the coming eight days, by the hour: a few jobs at a time, so that nothing waits for it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.compact import compact
from scheduler_app.domain.due import firings
from scheduler_app.domain.firing import UNPLANNABLE
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.load import hour_of, per_hour
from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.store import facts, plans

AHEAD = timedelta(days=8)
MOST_SKIPPED = 1_000

Hours = list[tuple[datetime, int]]


@dataclass(kw_only=True)
class Reckoning:
    """What is planned from an hour on, added up job by job. Jobs that share a cron trigger share its arithmetic."""

    since: datetime
    span: timedelta = AHEAD
    hours: dict[datetime, tuple[int, float]] = field(default_factory=dict)
    job: int = 0
    _known: dict[str, Hours] = field(default_factory=dict)

    @property
    def until(self) -> datetime:
        """Return up to when it reckons."""
        return hour_of(self.since) + self.span

    def step(self, tx: sa.Connection, most: int) -> bool:
        """Add up to `most` jobs; whether there may be more. Nothing is planned while everything is paused."""
        found = [] if facts.get(tx, facts.PAUSE) is not None else plans.firing(tx, self.job, most)
        for job, skips, usual in found:
            for hour, number in self._hours_of(job, skips):
                firings, busy = self.hours.get(hour, (0, 0.0))
                self.hours[hour] = firings + number, busy + number * usual
            self.job = job.key
        return len(found) == most

    def _hours_of(self, job: Job, skips: int) -> Hours:
        if job.trigger is None:
            return []
        try:
            trigger = parse_trigger(job.trigger, now=job.created_at)
            first = _first(job, trigger, min(skips, MOST_SKIPPED))
            if first is not None and first < hour_of(self.since):
                first = trigger.after(hour_of(self.since) - MICROSECOND)
            if first is None:
                return []
            return self._shared(job, trigger, first) or list(per_hour(trigger, first, self.until))
        except UNPLANNABLE:
            return []

    def _shared(self, job: Job, trigger: Trigger, first: datetime) -> Hours | None:
        """Return the hours of a cron trigger that many jobs may have, if the job fires by nothing else."""
        text = compact(job.trigger)
        if trigger.type != "cron" or first != trigger.after(self.since - MICROSECOND):
            return None
        if text not in self._known:
            self._known[text] = list(per_hour(trigger, first, self.until))
        return self._known[text]


def _first(job: Job, trigger: Trigger, skips: int) -> datetime | None:
    """Return the first firing of a job that will run: after its pause, and after what is skipped."""
    first = job.next_run_time
    if job.state is JobState.PAUSED:
        if job.paused_until is None:
            return None
        if first is not None and first < job.paused_until:
            first = trigger.after(job.paused_until - MICROSECOND)
    following: Iterator[datetime] = firings(trigger, first) if first is not None else iter(())
    for _ in range(skips):
        first = next(following, None)
    return first
