"""Follow: the end of a run fires the jobs that come after its job, in the transaction that writes the end.

Invariants kept here:
- An end fires each follower once: a run ends once, and the firing is written with its end or not at all. A clash of
  firings fails the transaction, so that none is dropped in silence.
- A firing has a time of its own: that of the end, or the next free microsecond where ends coincide.
- An end whose firing may not run, for a pause, a fault, a skip or its lateness, is one record that says so.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import EPOCH, from_micros, to_micros
from scheduler_app.domain.firing import UNPLANNABLE, plan_firing, uncomputable
from scheduler_app.domain.job import JobState
from scheduler_app.domain.run import MissedRange, ParentRun, Reason, RunState
from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.errors import InvalidInput
from scheduler_app.store import endings
from scheduler_app.store.dues import DueJob, Unreadable, readable
from scheduler_app.store.firing import mark_broken, missed_row, placed, skipped_row
from scheduler_app.store.lanes import wake_others
from scheduler_app.store.rows import job_of, parent_run_of
from scheduler_app.store.standing import Standing, standing
from scheduler_app.store.starting import FIRED, ending_of
from scheduler_app.store.statement import Among, Statement
from scheduler_app.store.tables import jobs, runs

FOLLOWERS = Statement(sa.select(jobs).where(jobs.c.after_job.is_not(None), Among(jobs.c.after_job, "ids")))
TAKEN = Statement(
    sa.select(runs.c.scheduled_at).where(
        runs.c.job_key == sa.bindparam("job"), sa.text("origin = 'schedule'"), runs.c.scheduled_at == sa.bindparam("at")
    )
)
_next = runs.alias("next_")
FREE = Statement(
    sa.select((sa.func.min(runs.c.scheduled_at) + sa.literal_column("1")).label("free")).where(
        runs.c.job_key == sa.bindparam("job"),
        sa.text("scheduler_runs.origin = 'schedule'"),
        runs.c.scheduled_at >= sa.bindparam("at"),
        ~sa.exists().where(
            _next.c.job_key == runs.c.job_key,
            sa.text("next_.origin = 'schedule'"),
            _next.c.scheduled_at == runs.c.scheduled_at + sa.literal_column("1"),
        ),
    )
)
INSERT = Statement(runs.insert().returning(runs.c.id), columns=(*FIRED, "parent_run"))
SKIP = Statement(jobs.update().where(jobs.c.key == sa.bindparam("key_")).values(skip_count=jobs.c.skip_count - 1))
PARENTS = Statement(
    sa.select(
        runs.c.id,
        runs.c.job_id,
        runs.c.state,
        runs.c.attempt,
        runs.c.scheduled_at,
        runs.c.started_at,
        runs.c.finished_at,
        runs.c.result,
        runs.c.error_type,
        runs.c.error_message,
        runs.c.error_traceback,
    ).where(Among(runs.c.id, "ids"))
)


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """The end of a run that was started."""

    run: int
    job_id: str
    state: RunState
    at: datetime


def follow(tx: sa.Connection, ends: Iterable[End], now: datetime, how: Standing | None = None) -> None:
    """Fire what comes after these ends, which are written in this transaction; `how` things stand is asked else."""
    how = how or standing(tx)
    if not how.is_any_after:
        return
    in_order = sorted(ends, key=lambda end: (end.at, end.run))
    followers = FOLLOWERS.rows(tx, ids=list({end.job_id for end in in_order})) if in_order else []
    if not followers:
        return
    for row in sorted(followers, key=lambda row: row.key):
        _fire(tx, row, [end for end in in_order if end.job_id == row.after_job], how.paused_since, now)
    wake_others(tx)


def _fire(tx: sa.Connection, row: Any, ends: Sequence[End], paused_since: datetime | None, now: datetime) -> None:
    """Record each end that a follower waits for: as a run, or with the reason why not."""
    try:
        waited_for = _trigger_of(row.trigger).runs
    except UNPLANNABLE as error:
        _break(tx, row, uncomputable(error), now)  # which ends it waits for, nobody can tell
        return
    for end in ends:
        if waited_for is None or not waited_for.fires_on(end.state):
            continue
        record = _record(tx, row, _free_time(tx, row.key, end.at), paused_since, now)
        if record["reason"] == Reason.REQUESTED:
            SKIP.run(tx, key_=row.key)
            row = row._replace(skip_count=row.skip_count - 1)
        run_id = INSERT.scalar(tx, **record, parent_run=end.run)
        if record["finished_at"] is not None:
            endings.note(tx, [ending_of(record, run_id)])


@lru_cache(maxsize=1024)
def _trigger_of(text: str) -> Trigger:
    return parse_trigger(json.loads(text), now=EPOCH)


def _free_time(tx: sa.Connection, key: int, at: datetime) -> datetime:
    """Return the time of an end, or the next microsecond at which the job has no firing."""
    if TAKEN.scalar(tx, job=key, at=to_micros(at)) is None:
        return at
    return from_micros(FREE.scalar(tx, job=key, at=to_micros(at)))


def _record(tx: sa.Connection, row: Any, at: datetime, paused_since: datetime | None, now: datetime) -> dict[str, Any]:
    """Return the row of a firing: a run in its place, or why there is none. A damaged job keeps no end from its row."""
    now = max(now, at)  # what ended since the pass began is no future
    try:
        why = _held_back(row, at, paused_since)
        if why is None:
            job = _read(row, at)
            plan = plan_firing(_trigger_of(row.trigger), at, job.policies, now, job.skip_count)
    except UNPLANNABLE as error:
        why = Reason.BROKEN
        _break(tx, row, str(error), now)
    if why is not None:
        return missed_row(job_of(row), MissedRange(since=at, until=at, count=1), why, now)
    if plan.skipped:
        return skipped_row(job, at, now)
    return missed_row(job, *plan.missed[0], now) if plan.missed else placed(tx, job, at, now)


def _held_back(row: Any, at: datetime, paused_since: datetime | None) -> Reason | None:
    """Return why a job does not fire; a pause is over from its `paused_until` on, whenever that is noticed."""
    if row.state not in (JobState.ACTIVE, JobState.PAUSED):
        return Reason.BROKEN
    is_paused = row.state == JobState.PAUSED and (row.paused_until is None or row.paused_until > to_micros(at))
    return Reason.PAUSED if is_paused or (paused_since is not None and at > paused_since) else None


def _read(row: Any, at: datetime) -> DueJob:
    job = readable(row._replace(next_run_time=to_micros(at)))
    if isinstance(job, Unreadable):
        raise InvalidInput(job.why)
    return job


def _break(tx: sa.Connection, row: Any, why: str, now: datetime) -> None:
    if row.state != JobState.BROKEN:
        mark_broken(tx, Unreadable(key=row.key, id=row.id, version=row.version, why=why), why, now)


def parents(tx: sa.Connection, ids: Sequence[int]) -> dict[int, ParentRun]:
    """Return the runs of these ids that are still kept, as those that they caused see them."""
    return {row.id: parent_run_of(row) for row in PARENTS.rows(tx, ids=list(ids))} if ids else {}


def parent_id(tx: sa.Connection, job_id: str) -> str | None:
    """Return the id of the job that a job comes after; None when it fires at times, or there is none."""
    found: str | None = tx.execute(sa.select(jobs.c.after_job).where(jobs.c.id == job_id)).scalar()
    return found


def exists(tx: sa.Connection, job_id: str) -> bool:
    """Whether there is a job of that id."""
    return tx.execute(sa.select(jobs.c.key).where(jobs.c.id == job_id)).first() is not None


def neighbours(tx: sa.Connection, job_id: str) -> list[str]:
    """Return the ids of jobs, up to 400, that stand next to one in the order of all."""
    before = sa.select(jobs.c.id).where(jobs.c.id < job_id).order_by(jobs.c.id.desc()).limit(200)
    behind = sa.select(jobs.c.id).where(jobs.c.id > job_id).order_by(jobs.c.id).limit(200)
    return [*tx.execute(before).scalars(), *tx.execute(behind).scalars()]
