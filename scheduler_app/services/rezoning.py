"""Carry the jobs over to newer time zone rules, before an engine fires anything by them.

The version of the rules stands in the store. It is raised after the last batch, so what a crash leaves is done again,
which changes nothing that was done. Who works with older rules than the store leaves everything as it is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import from_micros
from scheduler_app.domain.firing import UNPLANNABLE, plan_firing
from scheduler_app.domain.job import JobState
from scheduler_app.domain.rezoning import counterpart, promised, renewed
from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.domain.zone_rules import is_newer
from scheduler_app.store import dues, facts, firing, jobs, zoned
from scheduler_app.store.database import Database
from scheduler_app.store.rows import micros

FACT = "tzdata"
BATCH = 250


@dataclass(frozen=True, kw_only=True)
class Move:
    """A job whose next time changes: to `next_run_time`, or, when it was due already, by firing as was promised."""

    row: sa.Row[Any]
    trigger: Trigger
    is_due: bool
    next_run_time: datetime | None = None


def adopt_rules(database: Database, *, version: str, now: datetime) -> list[str]:
    """Recompute what is planned if the store knows older rules than `version`; return the ids of the moved jobs."""
    with database.read() as tx:
        known = (facts.get(tx, FACT) or {}).get("version")
    if known is not None and not is_newer(version, known):
        return []
    moved: list[str] = []
    after: int | None = 0 if known is not None else None
    while after is not None:
        after = _adopt_batch(database, after, now, moved)
    database.write(lambda tx: _raise_version(tx, version))
    return moved


def _raise_version(tx: sa.Connection, version: str) -> None:
    known = (facts.get(tx, FACT) or {}).get("version")
    if known is None or is_newer(version, known):
        facts.put(tx, FACT, {"version": version})


def _adopt_batch(database: Database, after: int, now: datetime, moved: list[str]) -> int | None:
    """Move one batch of jobs; return the key after which the next begins, None when it was the last."""
    with database.read() as tx:
        rows = zoned.batch(tx, after=after, limit=BATCH)
        paused = facts.paused_since(tx) is not None
        moves = [move for row in rows if (move := _judged(tx, row, now, paused=paused)) is not None]
    if moves:
        moved += database.write(lambda tx: _write(tx, moves, now))
    return rows[-1].key if len(rows) == BATCH else None


def _judged(tx: sa.Connection, row: sa.Row[Any], now: datetime, *, paused: bool) -> Move | None:
    """Return what is to be done with a job; None when its time stands. One that cannot be computed breaks when due."""
    try:
        planned = from_micros(row.next_run_time)
        trigger = parse_trigger(json.loads(row.trigger), now=now)
        if planned <= now:
            stays = paused or row.state != JobState.ACTIVE or counterpart(trigger, planned) == planned
            return None if stays else Move(row=row, trigger=trigger, is_due=True)
        last = zoned.last_firing(tx, row.key)
        following = renewed(trigger, planned, last=None if last is None else from_micros(last), now=now)
    except UNPLANNABLE:
        return None
    return None if following == planned else Move(row=row, trigger=trigger, is_due=False, next_run_time=following)


def _write(tx: sa.Connection, moves: Sequence[Move], now: datetime) -> list[str]:
    """Write the moves of those jobs that still stand as they were read; whoever was first has done the others."""
    done = [move for move in moves if (_fire if move.is_due else _move)(tx, move, now)]
    jobs.finish_idle(tx, [move.row.key for move in done])
    return [move.row.id for move in done]


def _move(tx: sa.Connection, move: Move, now: datetime) -> bool:
    return zoned.move(tx, move.row, micros(move.next_run_time))


def _fire(tx: sa.Connection, move: Move, now: datetime) -> bool:
    """Fire what was due by the rules that stood; its next time comes from the new ones."""
    due = dues.due_job(tx, move.row.key, now)
    if not isinstance(due, dues.DueJob) or (due.version, micros(due.next_run_time)) != (
        move.row.version,
        move.row.next_run_time,
    ):
        return False
    plan = plan_firing(promised(move.trigger, due.next_run_time), due.next_run_time, due.policies, now, due.skip_count)
    return len(firing.record(tx, [(due, plan)], now)) == 1
