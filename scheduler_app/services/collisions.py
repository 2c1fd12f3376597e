"""Which other jobs fire at the times of a job: looked at are those that fire first, for a bounded time."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import SchedulerError
from scheduler_app.services.context import Context
from scheduler_app.store import jobs

MOST_JOBS = 200
MOST_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Others:
    """How many other jobs fire in the same second; `or_more` when not all could be looked at."""

    number: int
    or_more: bool

    def __str__(self) -> str:
        more = "+" if self.or_more else ""
        return f"{self.number}{more} other{'' if self.number == 1 and not more else 's'}" if self.number else ""


def others_at(job: Job, times: Sequence[datetime], *, ctx: Context) -> list[Others]:
    """Return for each time of a job how many others fire in the same second."""
    if not times:
        return []
    with ctx.database.read() as tx:
        found = jobs.soonest(tx, max(times), MOST_JOBS + 1)
    counts, complete = dict.fromkeys(times, 0), len(found) <= MOST_JOBS
    ends = ctx.clock.monotonic() + MOST_SECONDS
    for other in found[:MOST_JOBS]:
        if ctx.clock.monotonic() > ends:
            complete = False
            break
        if other.key != job.key and other.state is JobState.ACTIVE:
            for at in _shared(other, times, ctx.clock.now()):
                counts[at] += 1
    return [Others(number=counts[at], or_more=not complete) for at in times]


def _shared(other: Job, times: Sequence[datetime], now: datetime) -> Iterator[datetime]:
    """Yield the times at which another job fires too; one that cannot be computed fires at none."""
    first = other.next_run_time
    if other.trigger is None or first is None:
        return
    with suppress(SchedulerError):
        trigger = parse_trigger(other.trigger, now=now)
        for at in times:
            second = at.replace(microsecond=0)
            due = first if first >= second else trigger.after(second - MICROSECOND)
            if due is not None and due.replace(microsecond=0) == second:
                yield at
