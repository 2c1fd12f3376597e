"""How runs ended over a span of time, as far as a filter lets them through."""

from collections.abc import Iterable
from datetime import datetime

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.run import FINAL_STATES
from scheduler_app.domain.track import FAILURES
from scheduler_app.services import stats
from scheduler_app.services.context import Context
from scheduler_app.services.stats import Bucket, Tally
from scheduler_app.store import tallies
from scheduler_app.store.rollups import Step
from scheduler_app.store.runs import RunFilter

MICROS = 1_000_000


def histogram(where: RunFilter, start: datetime, end: datetime, *, fine: bool, ctx: Context) -> list[Bucket]:
    """Return how many runs ended how in each minute (`fine`) or hour.

    What is filtered by job, task or origin is counted over the newest runs, all else comes from the roll-ups.
    """
    if where.job_ids or where.tasks or where.origins:
        size = (60 if fine else 3600) * MICROS
        with ctx.database.read() as tx:
            found = tallies.ended(tx, where, start, end, size)
        begin = to_micros(start) // size * size
        counted = [
            Bucket(at=from_micros(at), counts={str(state): found.get(at, {}).get(state, 0) for state in FINAL_STATES})
            for at in range(begin, to_micros(end), size)
        ]
    else:
        step: Step = "minute" if fine else "hour"
        counted = stats.buckets(start, end, step, ctx=ctx)
    if not where.states:
        return counted
    return [
        Bucket(at=bucket.at, counts={state: n for state, n in bucket.counts.items() if state in where.states})
        for bucket in counted
    ]


def summed(counted: Iterable[Bucket]) -> Tally:
    """Add up what ended."""
    counts: dict[str, int] = dict.fromkeys(FINAL_STATES, 0)
    for bucket in counted:
        for state, number in bucket.counts.items():
            counts[state] += number
    failed = sum(counts.pop(state) for state in FAILURES)
    return Tally(failed=failed, **counts)
