"""Filling: roll-ups and tracks of runs that ended before anybody kept them, or under code that does not, in slices.

Invariants kept here:
- A slice counts and writes in one transaction, the minutes of about 5,000 runs: what ends beside it is counted once.
- Minutes are only raised, to what the runs say; so a slice that is done again changes nothing. Hours of which no
  minutes are kept are counted once, since how far the filling has come is written with each slice.
- It begins when no engine lives that does not keep books, and is done again after one was seen.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.run import RunState
from scheduler_app.store import facts, rollups, tracks
from scheduler_app.store.endings import MANY
from scheduler_app.store.rollups import HOUR, MINUTE
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import engines, job_stats, jobs, runs
from scheduler_app.store.tracks import CODES, REPEATED

FACT = "books"
RUNS_AT_ONCE = 5_000
JOBS_AT_ONCE = 20
# minutes are kept a little longer than that
MINUTES_KEPT = 47 * HOUR

OLDER = Statement(
    sa.select(engines.c.id).where(
        sa.text("books IS NULL"),
        sa.or_(sa.text("state IN ('running', 'draining')"), engines.c.beat_at >= sa.bindparam("since")),
    )
)
OLDER_LIVE = Statement(
    sa.select(engines.c.id).where(sa.text("books IS NULL"), sa.text("state IN ('running', 'draining')")).limit(1)
)
EDGE = Statement(
    sa.select(runs.c.finished_at)
    .where(runs.c.finished_at < sa.bindparam("before"), runs.c.finished_at >= sa.bindparam("since"))
    .order_by(runs.c.finished_at.desc())
    .limit(1)
    .offset(RUNS_AT_ONCE)
)
_minute = (runs.c.finished_at // sa.literal_column(str(MINUTE))).label("minute")
_firings = sa.case((runs.c.state == RunState.MISSED, sa.func.coalesce(runs.c.missed_count, MANY)), else_=1)
COUNT = Statement(
    sa.select(_minute, runs.c.state, sa.func.count().label("number"), sa.func.sum(_firings).label("firings"))
    .where(
        runs.c.finished_at >= sa.bindparam("since"),
        runs.c.finished_at < sa.bindparam("before"),
        sa.text(f"state IN {(*CODES,)}"),
    )
    .group_by(_minute, runs.c.state)
)
NEXT_JOBS = Statement(
    sa.select(jobs.c.key, jobs.c.id, job_stats.c.marks)
    .select_from(jobs.outerjoin(job_stats, job_stats.c.job_key == jobs.c.key))
    .where(jobs.c.key > sa.bindparam("after"), REPEATED)
    .order_by(jobs.c.key)
    .limit(JOBS_AT_ONCE)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Filling:
    """How far a filling that began at a moment has come: `before` which runs are to be counted yet, back to `since`;
    after which job (by key) tracks are to be made."""

    began: int
    before: int
    since: int
    job: int = 0


def is_complete(tx: sa.Connection) -> bool:
    """Whether everything that has ended is in the books, and nobody works on the store who does not keep them."""
    fact = facts.get(tx, FACT)
    if fact is None or "filled_at" not in fact:
        return False
    return not OLDER.rows(tx, since=fact["filled_at"])


def step(tx: sa.Connection, now: datetime) -> bool:
    """Fill one slice, if there is anything to fill; whether there is more."""
    filling = _standing(tx, now)
    if filling is None:
        return False
    if filling.before > filling.since:
        return _put(tx, filling, before=_count(tx, filling, now))
    last = _make_tracks(tx, filling.job)
    if last is not None:
        return _put(tx, filling, job=last)
    facts.put(tx, FACT, {"filled_at": filling.began})
    return False


def _standing(tx: sa.Connection, now: datetime) -> Filling | None:
    """Return the filling under way, or one that is to begin now."""
    fact = facts.get(tx, FACT)
    if fact is not None and "filled_at" not in fact:
        return Filling(**fact)
    if (fact is not None and not OLDER.rows(tx, since=fact["filled_at"])) or OLDER_LIVE.scalar(tx) is not None:
        return None
    began = to_micros(now)
    since = 0 if fact is None else max(fact["filled_at"] - MINUTE, began - MINUTES_KEPT) // MINUTE * MINUTE
    return Filling(began=began, before=(began // MINUTE + 2) * MINUTE, since=since)


def _put(tx: sa.Connection, filling: Filling, **come: int) -> bool:
    """Note how far the filling has come."""
    values: dict[str, Any] = {name: getattr(filling, name) for name in Filling.__slots__}
    facts.put(tx, FACT, values | come)
    return True


def _count(tx: sa.Connection, filling: Filling, now: datetime) -> int:
    """Count the runs of the latest minutes that are not counted yet, and return where they begin."""
    edge = EDGE.scalar(tx, before=filling.before, since=filling.since)
    since = filling.since if edge is None else min((edge // MINUTE + 1) * MINUTE, filling.before - MINUTE)
    rows = COUNT.rows(tx, since=since, before=filling.before)
    counts = {(row.minute * MINUTE, row.state): (row.number, int(row.firings)) for row in rows}
    kept = (to_micros(now) - MINUTES_KEPT) // HOUR * HOUR
    rollups.raise_to(tx, {place: number for place, number in counts.items() if place[0] >= kept})
    rollups.add_hours(tx, {place: number for place, number in counts.items() if place[0] < kept})
    return since


def _make_tracks(tx: sa.Connection, after: int) -> int | None:
    """Make the tracks of the next jobs; return the last of them, None when there was none."""
    rows = NEXT_JOBS.rows(tx, after=after)
    for row in rows:
        track = tracks.rebuilt(tx, row.key, row.id)
        if tracks.named(track.marks) - tracks.named(row.marks or b""):
            tracks.write(tx, row.key, track)
    return rows[-1].key if rows else None
