"""Compare what is recorded of a job's firings with what its trigger gives: every firing once, and nothing else."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from scheduler_app.clock import MICROSECOND, rfc3339
from scheduler_app.domain.schedule import STEP_BUDGET
from scheduler_app.domain.trigger import Trigger


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A run of one firing, or a missed range of several: the run's id, the first and the last firing, their count."""

    run: int
    first: datetime
    last: datetime
    count: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Disagreement:
    """A place where the records are not what the trigger gives; `run` when one record is wrong."""

    run: int | None
    found: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """From when on a job can be judged, and its stored next time.

    That is when the trigger as it stands was last changed, as far as that can be known, or up to when firings were
    pruned, whichever is later.
    """

    since: datetime
    pruned_until: datetime | None
    next_run_time: datetime | None

    def start(self, trigger: Trigger) -> datetime | None:
        """Return the first firing that can be judged."""
        first = trigger.first(self.since)
        if first is not None and self.pruned_until is not None and first <= self.pruned_until:
            return trigger.after(self.pruned_until)
        return first


def disagreements(trigger: Trigger, scope: Scope, recorded: Iterable[Recorded]) -> Iterator[Disagreement]:
    """Tell where the records of a job, in the order of their times, disagree with its trigger."""
    start = scope.start(trigger)
    expected, last = start, None
    for record in recorded:
        last = record.last if last is None else max(last, record.last)
        if start is None or record.last < start:
            continue
        if record.first >= start:
            yield from _strangers(trigger, record)
            yield from _lost(trigger, expected, record.first)
        if expected is not None and record.last >= expected:
            expected = trigger.after(record.last)
    yield from _at_the_end(trigger, scope.next_run_time, expected=expected, last=last)


def _strangers(trigger: Trigger, record: Recorded) -> Iterator[Disagreement]:
    """Tell what of a record is no firing of the trigger, and whether its count is right."""
    for moment in dict.fromkeys((record.first, record.last)):
        if trigger.at_or_before(moment) != moment:
            found = f"recorded for {rfc3339(moment)}, which is not a time of its trigger"
            yield Disagreement(run=record.run, found=found)
            return
    if record.last > record.first:
        count = _count(trigger, record.first, record.last)
        if count != record.count and not (count is None and (record.count or 0) > STEP_BUDGET):
            yield Disagreement(
                run=record.run,
                found=f"missed range {rfc3339(record.first)} to {rfc3339(record.last)} has {_told(count)} firings, "
                f"it says {_told(record.count)}",
            )


def _lost(trigger: Trigger, expected: datetime | None, upto: datetime) -> Iterator[Disagreement]:
    """Tell which firings before a moment nobody recorded."""
    if expected is None or expected >= upto:
        return
    last = trigger.at_or_before(upto - MICROSECOND) or expected
    count = _count(trigger, expected, last)
    span = rfc3339(expected) if last <= expected else f"{rfc3339(expected)} to {rfc3339(last)}"
    yield Disagreement(run=None, found=f"{_told(count)} lost: nothing is recorded for {span}")


def _at_the_end(
    trigger: Trigger, next_run_time: datetime | None, *, expected: datetime | None, last: datetime | None
) -> Iterator[Disagreement]:
    if next_run_time is None:
        if expected is not None:
            found = f"it has no next_run_time, though its trigger fires again at {rfc3339(expected)}"
            yield Disagreement(run=None, found=found)
        return
    shown = f"next_run_time {rfc3339(next_run_time)}"
    if trigger.at_or_before(next_run_time) != next_run_time:
        yield Disagreement(run=None, found=f"{shown} is not a time of its trigger")
    if last is not None and next_run_time <= last:
        yield Disagreement(run=None, found=f"{shown} is recorded already, up to {rfc3339(last)}: it would fire twice")
    yield from _lost(trigger, expected, next_run_time)


def _count(trigger: Trigger, first: datetime, last: datetime) -> int | None:
    """Return how many firings lie in a range, None above 10,000: as missed ranges count them."""
    count = trigger.schedule.count(first, last)
    return count if count is not None and count <= STEP_BUDGET else None


def _told(count: int | None) -> str:
    return f"more than {STEP_BUDGET:,}" if count is None else str(count)
