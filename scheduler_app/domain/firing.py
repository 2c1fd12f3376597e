"""What a due job owes: which of its firings run, which are recorded as missed, and when it fires next.

Pure: the trigger's arithmetic runs here, before any transaction. The next time comes from the old next time, never from
now, so that no delay of ours moves a schedule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scheduler_app.domain.due import Due, due, newest
from scheduler_app.domain.policy import Overlap, Policies
from scheduler_app.domain.run import MissedRange, Reason, RunState
from scheduler_app.domain.trigger import Trigger

MOST_FIRINGS_AT_ONCE = 100
MOST_WAITING = {Overlap.QUEUE_ONE: 1, Overlap.QUEUE_ALL: 100}


@dataclass(frozen=True, kw_only=True, slots=True)
class FiringPlan:
    """The firings of one job up to now: `runs` to execute, `missed` ranges with their reasons, and the next time."""

    runs: tuple[datetime, ...]
    missed: tuple[tuple[MissedRange, Reason], ...]
    next_run_time: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """How full a job is: runs that execute or may start now, that wait for a place, and whose jitter is not over."""

    taken: int
    waiting: int
    coming: int = 0


def plan_firing(trigger: Trigger, first: datetime, policies: Policies, now: datetime) -> FiringPlan:
    """Sort the firings from `first` to `now` into runs and missed ranges."""
    found = due(trigger, first, now)
    runs, missed = _coalesced(found) if policies.coalesce else _each(trigger, found, first, now)
    runs, late = _within_grace(runs, policies, now)
    if late and missed and policies.coalesce:
        return _all_missed(missed[0][0], late[0], found)
    ranges = (*missed, *((MissedRange(since=at, until=at, count=1), Reason.GRACE) for at in late))
    return FiringPlan(runs=runs, missed=ranges, next_run_time=found.next)


def _coalesced(found: Due) -> tuple[tuple[datetime, ...], tuple[tuple[MissedRange, Reason], ...]]:
    if found.earlier is None:
        return (found.latest,), ()
    return (found.latest,), ((found.earlier, Reason.COALESCED),)


def _each(
    trigger: Trigger, found: Due, first: datetime, now: datetime
) -> tuple[tuple[datetime, ...], tuple[tuple[MissedRange, Reason], ...]]:
    runs, older = newest(trigger, first, now, MOST_FIRINGS_AT_ONCE)
    return tuple(runs), () if older is None else ((older, Reason.COALESCED),)


def _within_grace(
    runs: Sequence[datetime], policies: Policies, now: datetime
) -> tuple[tuple[datetime, ...], tuple[datetime, ...]]:
    grace = policies.misfire_grace_time
    late = tuple(at for at in runs if grace is not None and (now - at).total_seconds() > grace)
    return tuple(at for at in runs if at not in late), late


def _all_missed(earlier: MissedRange, latest: datetime, found: Due) -> FiringPlan:
    count = None if earlier.count is None else earlier.count + 1
    whole = MissedRange(since=earlier.since, until=latest, count=count)
    return FiringPlan(runs=(), missed=((whole, Reason.GRACE),), next_run_time=found.next)


def place(policies: Policies, places: Places) -> tuple[RunState, Reason | None]:
    """Decide where a new firing of a job goes: to the queue, to wait for a place, or nowhere."""
    busy = places.taken + places.coming
    if busy < policies.max_instances:
        return RunState.QUEUED, None
    waiting = places.waiting + min(places.coming, busy - policies.max_instances)
    if waiting < MOST_WAITING.get(policies.overlap, 0) or policies.overlap is Overlap.CANCEL_RUNNING:
        return RunState.SCHEDULED, Reason.BLOCKED
    return RunState.SKIPPED, Reason.OVERLAP
