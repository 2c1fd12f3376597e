"""Audit the books: do the roll-ups and the tracks of jobs agree with the runs that are still there?

They are judged once everything that ended has been put into them (store.filling), and while no engine works on the
store that does not keep them. Hours before that may count more than there are runs, never fewer: what was pruned of
them before, nobody noted.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from scheduler_app.clock import from_micros, rfc3339
from scheduler_app.store import checking, filling
from scheduler_app.store.auditing import Breach

NOT_YET = "the roll-ups: what ended before they were kept, or under an older version, is not in them yet"


def why_not(tx: sa.Connection) -> str | None:
    """Return why the books cannot be judged; None when they can."""
    return None if filling.is_complete(tx) else NOT_YET


def breaches(tx: sa.Connection) -> Iterator[Breach]:
    """Yield where the books are wrong."""
    for row in checking.rollups_at_fault(tx):
        when = f"the {row.step} of {rfc3339(from_micros(row.at))}"
        what = f"{when} counts {row.kept} runs that are {row.state}, and there are {row.there}"
        yield Breach(promise=0, job=None, run=None, found=what)
    for job, run, what in checking.tracks_at_fault(tx):
        yield Breach(promise=0, job=job, run=run, found=what)
