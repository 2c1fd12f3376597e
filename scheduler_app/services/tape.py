"""The tape: what ended in the last 40 minutes, what runs, and what is planned for the next 22."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from scheduler_app.domain.run import RunState
from scheduler_app.domain.track import FAILURES
from scheduler_app.services.context import Context
from scheduler_app.services.forecast import upcoming
from scheduler_app.services.stats import Bucket, Tally, buckets
from scheduler_app.store import spans

BACK, AHEAD = timedelta(minutes=40), timedelta(minutes=22)
# beyond that single runs cannot be told apart, and the minutes are drawn instead
MOST_ENDED = 600
MOST_PLANNED = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How many runs ended well or badly about a moment."""

    at: datetime
    failed: bool
    number: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Tape:
    """A stretch of time around `now`; `is_whole` tells whether everything that is planned in it is listed."""

    now: datetime
    ended: tuple[Ended, ...]
    running: tuple[datetime, ...]
    planned: tuple[datetime, ...]
    is_whole: bool
    counts: Tally


def read_tape(now: datetime, *, ctx: Context) -> Tape:
    """Return the tape around `now`."""
    start = now - BACK
    with ctx.database.read() as tx:
        found = spans.between(tx, start, now, MOST_ENDED)
    minutes = buckets(start, now, "minute", ctx=ctx)
    coming = upcoming(within=AHEAD.total_seconds(), limit=MOST_PLANNED, ctx=ctx)
    ended = [Ended(at=span.end, failed=span.state in FAILURES) for span in found if span.end is not None]
    return Tape(
        now=now,
        ended=tuple(ended if len(ended) < MOST_ENDED else _by_minute(minutes)),
        running=tuple(sorted(span.begin for span in found if span.end is None)),
        planned=tuple(sorted(at for job in coming.jobs for at in job.next_run_times)),
        is_whole=coming.complete,
        counts=summed(minutes),
    )


def _by_minute(minutes: list[Bucket]) -> list[Ended]:
    found = []
    for bucket in minutes:
        counted = summed([bucket])
        found.append(Ended(at=bucket.at, failed=False, number=counted.succeeded))
        found.append(Ended(at=bucket.at, failed=True, number=counted.failed))
    return [ended for ended in found if ended.number]


def summed(found: Iterable[Bucket]) -> Tally:
    """Add up how runs ended."""
    counts = dict.fromkeys((field.name for field in fields(Tally)), 0)
    for bucket in found:
        for state, number in bucket.counts.items():
            counts[RunState.FAILED if state in FAILURES else state] += number
    return Tally(**counts)
