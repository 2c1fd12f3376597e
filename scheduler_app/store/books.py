"""Keep the books: what a transaction has noted is added up and written right before its COMMIT, in few statements.

Invariants kept here:
- The roll-ups, the statistics of jobs and the lags are as right as the runs: they are committed, or undone, with them.
- Writers come one after the other, on PostgreSQL too (its advisory lock): no two of them wait for a counter's row.
"""

import secrets
from typing import Any

import sqlalchemy as sa

from scheduler_app.store import facts, lags, rollups, tracks, trail
from scheduler_app.store.endings import Ending, Firings, Gone, Plans
from scheduler_app.store.trail import Change

# a fact that changes whenever what is planned does
PLANS = "plans"


def conclude(tx: sa.Connection, noted: list[Any]) -> None:
    """Write what the notes of a transaction come to."""
    endings = [entry for entry in noted if type(entry) is Ending]
    if endings:
        rollups.add(tx, endings)
        tracks.add(tx, endings)
    if len(endings) < len(noted):
        changes = [entry for entry in noted if type(entry) is Change]
        fired = [entry for entry in noted if type(entry) is Firings]
        gone = [entry.job for entry in noted if type(entry) is Gone]
        if changes:
            trail.add(tx, changes)
        if gone:
            tracks.forget(tx, gone)
        if gone or any(type(entry) is Plans for entry in noted):
            facts.put(tx, PLANS, {"version": secrets.token_hex(8)})
        if fired:
            lags.add(tx, fired)
