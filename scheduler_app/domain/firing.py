"""What a due job owes: which of its firings run, which are skipped or missed, and when it fires next.

Pure: the trigger's arithmetic runs here, before any transaction. The next time comes from the old next time, never from
now, so that no delay of ours moves a schedule.
"""

from datetime import datetime, timedelta

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.due import Due, due, missed_between, newest
from scheduler_app.domain.job import Job
from scheduler_app.domain.policy import Overlap, Policies
from scheduler_app.domain.run import MissedRange, Reason, RunState
from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.errors import SchedulerError
from scheduler_app.values import value

MOST_FIRINGS_AT_ONCE = 100
MOST_WAITING = {Overlap.QUEUE_ONE: 1, Overlap.QUEUE_ALL: 100}
# what computing a stored trigger may raise when its row holds nonsense
UNPLANNABLE = (SchedulerError, ArithmeticError, ValueError, TypeError, KeyError, RecursionError)

Missed = tuple[tuple[MissedRange, Reason], ...]


@value
class FiringPlan:
    """The firings of one job up to now: `runs` to execute, `skipped` ones, `missed` ranges, and the next time."""

    runs: tuple[datetime, ...]
    missed: Missed
    next_run_time: datetime | None
    skipped: tuple[datetime, ...] = ()


@value
class Places:
    """How full a job is: runs that execute or may start now, that wait for a place, and whose jitter is not over; and
    whether its concurrency key is held."""

    taken: int
    waiting: int
    coming: int = 0
    locked: bool = False


NO_RUNS = Places(taken=0, waiting=0)


def plan_firing(trigger: Trigger, first: datetime, policies: Policies, now: datetime, skip: int = 0) -> FiringPlan:
    """Sort the firings from `first` to `now`; the oldest `skip` of them are left out on request."""
    skipped, rest = _skip(trigger, first, now, skip)
    if rest is None or rest > now:
        return FiringPlan(runs=(), missed=(), next_run_time=rest, skipped=skipped)
    found = due(trigger, rest, now)
    if policies.coalesce:
        runs, missed = _latest(found, _too_late(policies, now))
    else:
        runs, missed = _each(trigger, rest, now, _too_late(policies, now))
    return FiringPlan(runs=runs, missed=missed, next_run_time=found.next, skipped=skipped)


def _skip(trigger: Trigger, first: datetime, now: datetime, skip: int) -> tuple[tuple[datetime, ...], datetime | None]:
    """Return the due firings that are skipped, and the first firing that is not."""
    skipped: list[datetime] = []
    firing: datetime | None = first
    while firing is not None and firing <= now and len(skipped) < skip:
        skipped.append(firing)
        firing = trigger.after(firing)
    return tuple(skipped), firing


def _too_late(policies: Policies, now: datetime) -> datetime | None:
    """Return the last moment whose firings are too late to run; None when none are."""
    grace = policies.misfire_grace_time
    return None if grace is None else now - timedelta(seconds=grace) - MICROSECOND


def _latest(found: Due, too_late: datetime | None) -> tuple[tuple[datetime, ...], Missed]:
    """Run the latest firing, unless it is too late; the others are one range."""
    if too_late is None or found.latest > too_late:
        return (found.latest,), () if found.earlier is None else ((found.earlier, Reason.COALESCED),)
    if found.earlier is None:
        return (), ((MissedRange(since=found.latest, until=found.latest, count=1), Reason.GRACE),)
    earlier = found.earlier
    count = None if earlier.count is None else earlier.count + 1
    return (), ((MissedRange(since=earlier.since, until=found.latest, count=count), Reason.GRACE),)


def _each(
    trigger: Trigger, first: datetime, now: datetime, too_late: datetime | None
) -> tuple[tuple[datetime, ...], Missed]:
    """Run each firing that is not too late, the newest 100 at most; those before are one range for each reason."""
    late, fresh = (None, first) if too_late is None else missed_between(trigger, first, too_late)
    ranges: Missed = () if late is None else ((late, Reason.GRACE),)
    if fresh is None or fresh > now:
        return (), ranges
    runs, older = newest(trigger, fresh, now, MOST_FIRINGS_AT_ONCE)
    return tuple(runs), ranges if older is None else (*ranges, (older, Reason.COALESCED))


def plan_held_back(job: Job, reason: Reason, until: datetime) -> FiringPlan:
    """Tell what a job has not fired up to a moment: one missed range, and when it fires next."""
    first = job.next_run_time
    if job.trigger is None or first is None or first > until:
        return FiringPlan(runs=(), missed=(), next_run_time=first)
    missed, following = missed_between(parse_trigger(job.trigger, now=until), first, until)
    return FiringPlan(runs=(), missed=() if missed is None else ((missed, reason),), next_run_time=following)


def plan_resume(job: Job, now: datetime) -> FiringPlan:
    """Tell what the pause of a job has held back: up to now, or to the time when it was to end by itself."""
    end = job.paused_until
    return plan_held_back(job, Reason.PAUSED, now if end is None or end > now else end - MICROSECOND)


def place(policies: Policies, places: Places) -> tuple[RunState, Reason | None]:
    """Decide where a new firing of a job goes: to the queue, to wait for a place, or nowhere."""
    busy = places.taken + places.coming
    if busy < policies.max_instances and not places.locked:
        return RunState.QUEUED, None
    waiting = places.waiting + min(places.coming, max(0, busy - policies.max_instances))
    if policies.overlap is Overlap.CANCEL_RUNNING or waiting < MOST_WAITING.get(policies.overlap, 0):
        return RunState.SCHEDULED, Reason.BLOCKED
    return RunState.SKIPPED, Reason.OVERLAP


def uncomputable(error: Exception) -> str:
    """Return why a job is broken whose trigger cannot be computed."""
    return f"its trigger cannot be computed: {error}"
