"""Fire: due jobs become runs, and their next time is advanced, in one transaction.

Invariants kept here:
- A firing is one row: unique by job key and scheduled time among rows of origin `schedule`.
- A job is advanced only if it still stands as it was planned (same version, same next time, still active): whoever
  was first has done it, and the plan is dropped.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.compact import compact
from scheduler_app.domain.firing import NO_RUNS, FiringPlan, Places, place
from scheduler_app.domain.jitter import jitter_of, ready_at
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.policy import Overlap, Policies
from scheduler_app.domain.retry import RetryPolicy
from scheduler_app.domain.run import MissedRange, Origin, Reason, RunState
from scheduler_app.store import endings, places
from scheduler_app.store.dues import DueJob, Unreadable
from scheduler_app.store.endings import ENDING, Firings
from scheduler_app.store.jobs import finish_idle, finish_left
from scheduler_app.store.lanes import notes
from scheduler_app.store.rows import micros
from scheduler_app.store.standing import Standing
from scheduler_app.store.starting import Starter, write_firings
from scheduler_app.store.statement import Among, Statement, still
from scheduler_app.store.tables import OPEN_RUNS, jobs, runs

SCHEDULE = str(Origin.SCHEDULE)
Planned = tuple[DueJob, FiringPlan]
# what another program has locked fires when it lets go
LOCK = Statement(
    sa.select(jobs.c.key, jobs.c.version, jobs.c.next_run_time)
    .where(Among(jobs.c.key, "keys"))
    .with_for_update(skip_locked=True)
)
ADVANCE = Statement(
    jobs.update()
    .where(
        jobs.c.key == sa.bindparam("key_"),
        jobs.c.version == sa.bindparam("version_"),
        still(jobs.c.next_run_time, sa.bindparam("from_")),
        still(jobs.c.state, JobState.ACTIVE),
    )
    .values(next_run_time=sa.bindparam("next_"), skip_count=jobs.c.skip_count - sa.bindparam("skipped_")),
    named=("key_",),
)
SET_NEXT = Statement(
    jobs.update().where(jobs.c.key == sa.bindparam("key_")).values(next_run_time=sa.bindparam("next_"))
)
# the newest firing takes the place of the earlier ones that have not started; runs by hand and retries are left alone
SUPERSEDE = Statement(
    runs.update()
    .where(
        runs.c.job_key == sa.bindparam("job_"),
        sa.text(OPEN_RUNS),
        sa.or_(runs.c.state == RunState.QUEUED, runs.c.reason == Reason.BLOCKED, runs.c.reason == Reason.JITTER),
        still(runs.c.origin, Origin.SCHEDULE),
    )
    .values(state=RunState.CANCELLED, reason=Reason.OVERLAP, finished_at=sa.bindparam("now_"))
    .returning(*ENDING)
)
CANCEL_RUNNING = Statement(
    runs.update()
    .where(
        runs.c.job_key == sa.bindparam("job_"),
        sa.text(OPEN_RUNS),
        runs.c.state == RunState.RUNNING,
        runs.c.cancel_requested.is_(False),
    )
    .values(cancel_requested=True, reason=Reason.OVERLAP)
)


def record(
    tx: sa.Connection,
    planned: Sequence[Planned],
    now: datetime,
    starter: Starter | None = None,
    how: Standing | None = None,
    ended: Collection[int] = (),
) -> Sequence[Planned]:
    """Write what the plans say, of those jobs that still stand as planned; return those.

    With a `starter` what may start at once is claimed by it; `how` things stand may save looking at each job. Of those
    planned whose runs have `ended` in this transaction, the ones that do not fire are finished, if nothing is left.
    """
    free = _free(tx, planned)
    moves = [_advance(job, plan) for job, plan in free]
    advanced = ADVANCE.each(tx, moves)
    valid = [entry for entry, changed in zip(free, advanced, strict=True) if changed]
    if valid:
        due = [move["from_"] for move, changed in zip(moves, advanced, strict=True) if changed]
        opened = _insert_firings(tx, valid, now, starter, how)
        finish_idle(tx, [job.key for job, plan in valid if plan.next_run_time is None and job.key not in opened])
        notes(tx).append(Firings(due, to_micros(now)))
    if ended:
        finish_left(tx, {*ended}.difference(job.key for job, _ in valid))
    return valid


def _free(tx: sa.Connection, planned: Sequence[Planned]) -> Sequence[Planned]:
    """Return what stands as it was planned and nobody else has locked, and lock it; SQLite has one writer at a time."""
    if not planned or tx.dialect.name == "sqlite":
        return planned
    free = {tuple(row) for row in LOCK.rows(tx, keys=[job.key for job, _ in planned])}
    return [(job, plan) for job, plan in planned if (job.key, job.version, to_micros(job.next_run_time)) in free]


def _advance(job: DueJob, plan: FiringPlan) -> dict[str, Any]:
    """Move a job on from the time that was planned, unless somebody else has, or has changed the job."""
    return {
        "key_": job.key,
        "version_": job.version,
        "from_": to_micros(job.next_run_time),
        "next_": micros(plan.next_run_time),
        "skipped_": len(plan.skipped),
    }


def _insert_firings(
    tx: sa.Connection, valid: Sequence[Planned], now: datetime, starter: Starter | None, how: Standing | None
) -> set[int]:
    """Write the firings job by job, each in the place that those before it leave; return what `write_firings` does."""
    firing_jobs = [job for job, plan in valid if plan.runs]
    nothing_open = how is not None and not how.is_any_open
    line = Line(rooms={}, locked=set()) if nothing_open else Line.of(tx, firing_jobs)
    rows: list[dict[str, Any]] = []
    for job, plan in valid:
        rows += [missed_row(job, missed, reason, now) for missed, reason in plan.missed]
        rows += [skipped_row(job, scheduled_at, now) for scheduled_at in plan.skipped]
        if plan.runs and job.policies.overlap is Overlap.CANCEL_RUNNING:
            write_firings(tx, rows)
            rows = []
            line = _insert_superseding(tx, job, plan.runs, line, now) or Line.of(tx, firing_jobs)
        else:
            rows += [line.place(job, scheduled_at, now) for scheduled_at in plan.runs]
    return write_firings(tx, rows, starter)


@dataclass(kw_only=True)
class Line:
    """How full jobs are, by key, and which concurrency keys are held, while firings are placed one by one."""

    rooms: dict[int, Places]
    locked: set[str]

    @classmethod
    def of(cls, tx: sa.Connection, firing_jobs: Sequence[DueJob]) -> "Line":
        """Read how full these jobs are."""
        return cls(
            rooms=places.places_of(tx, [job.key for job in firing_jobs]),
            locked=places.locked(tx, [job.policies.concurrency_key for job in firing_jobs]),
        )

    def place(self, job: DueJob, scheduled_at: datetime, now: datetime) -> dict[str, Any]:
        """Return the row of a firing, in the place that it finds, and count it."""
        key, room = job.policies.concurrency_key, self.rooms.get(job.key, NO_RUNS)
        row = _placed_row(job, scheduled_at, replace(room, locked=True) if key in self.locked else room, now)
        queued = row["state"] == RunState.QUEUED
        self.rooms[job.key] = Places(
            taken=room.taken + queued,
            waiting=room.waiting + _is_blocked(row),
            coming=room.coming + (row["reason"] == Reason.JITTER),
        )
        if queued and key is not None:
            self.locked.add(key)
        return row


def _insert_superseding(
    tx: sa.Connection, job: DueJob, firings: Sequence[datetime], line: Line, now: datetime
) -> Line | None:
    """Write firings of which each takes the place of the earlier ones; None when the line has moved for others too."""
    moved = False
    for scheduled_at in firings:
        row = (Line.of(tx, [job]) if moved else line).place(job, scheduled_at, now)
        if _is_blocked(row):
            row = _superseding(tx, job, scheduled_at, now)
            moved = True
        write_firings(tx, [row])
    return None if moved else line


def _superseding(tx: sa.Connection, job: DueJob, scheduled_at: datetime, now: datetime) -> dict[str, Any]:
    """Make way for a firing, and return its row in the place that it has then."""
    endings.note_rows(tx, SUPERSEDE.rows(tx, job_=job.key, now_=to_micros(now)))
    CANCEL_RUNNING.run(tx, job_=job.key)
    places.unblock(tx, [job.key], [job.policies.concurrency_key], now)
    return Line.of(tx, [job]).place(job, scheduled_at, now)


def placed(tx: sa.Connection, job: DueJob, scheduled_at: datetime, now: datetime) -> dict[str, Any]:
    """Return the row of a single firing, in the place that it finds, or makes by its job's `overlap`."""
    row = Line.of(tx, [job]).place(job, scheduled_at, now)
    if _is_blocked(row) and job.policies.overlap is Overlap.CANCEL_RUNNING:
        return _superseding(tx, job, scheduled_at, now)
    return row


def _is_blocked(row: dict[str, Any]) -> bool:
    return bool(row["reason"] == Reason.BLOCKED)


def _placed_row(job: DueJob, scheduled_at: datetime, room: Places, now: datetime) -> dict[str, Any]:
    state, reason = place(job.policies, room)
    ready = max(now, ready_at(job.key, scheduled_at, jitter_of(job.trigger)))
    if ready > now and _may_wait(job, state):
        state, reason = RunState.SCHEDULED, Reason.JITTER
    row = _row(job, scheduled_at, now)
    row["state"], row["reason"] = state, reason
    if state is RunState.QUEUED:
        row["queued_at"] = row["ready_at"]
    elif state is RunState.SKIPPED:
        row["finished_at"] = row["ready_at"]
    if ready > now:
        row["ready_at"] = to_micros(ready)
    return row


def _may_wait(job: DueJob, state: RunState) -> bool:
    """Whether a firing waits for its jitter; one that takes the place of a running one does not."""
    return state is RunState.QUEUED or (
        state is RunState.SCHEDULED and job.policies.overlap is not Overlap.CANCEL_RUNNING
    )


def skipped_row(job: DueJob, scheduled_at: datetime, now: datetime) -> dict[str, Any]:
    """Return the row of a firing that a person asked to leave out."""
    return _row(job, scheduled_at, now) | {
        "state": RunState.SKIPPED,
        "reason": Reason.REQUESTED,
        "finished_at": to_micros(now),
    }


def missed_row(job: DueJob | Job, missed: MissedRange, reason: Reason, now: datetime) -> dict[str, Any]:
    """Return the row that records firings that are not executed."""
    return _row(job, missed.since, now) | {
        "state": RunState.MISSED,
        "reason": reason,
        "finished_at": to_micros(now),
        "missed_since": to_micros(missed.since),
        "missed_until": to_micros(missed.until),
        "missed_count": missed.count,
    }


def _row(job: DueJob | Job, scheduled_at: datetime, now: datetime) -> dict[str, Any]:
    return work_values(job.policies) | {
        "job_key": job.key,
        "job_id": job.id,
        "task": job.task,
        "args": job.args if isinstance(job.args, str) else compact(job.args),
        "kwargs": job.kwargs if isinstance(job.kwargs, str) else compact(job.kwargs),
        "origin": SCHEDULE,
        "scheduled_at": to_micros(scheduled_at),
        "ready_at": to_micros(now),
        "queued_at": None,
        "finished_at": None,
        "missed_since": None,
        "missed_until": None,
        "missed_count": None,
    }


@lru_cache(maxsize=4096)
def work_values(policies: Policies) -> dict[str, Any]:
    """Return the columns of a run that come from its job's policies, as they are now."""
    retry = RetryPolicy.of(policies)
    return {
        "max_attempts": policies.max_retries + 1,
        "priority": policies.priority,
        "concurrency_key": policies.concurrency_key,
        "timeout": policies.timeout,
        "delivery": str(policies.delivery),
        "retry": None if retry is None else retry.to_json(),
        "executor": str(policies.executor),
    }


def insert_missed(
    tx: sa.Connection, job: DueJob | Job, missed: Sequence[tuple[MissedRange, Reason]], now: datetime
) -> None:
    """Record firings of a job that are not executed."""
    write_firings(tx, [missed_row(job, firings, reason, now) for firings, reason in missed])


def advance(tx: sa.Connection, key: int, next_run_time: datetime | None) -> None:
    """Set when a job fires next."""
    SET_NEXT.run(tx, key_=key, next_=micros(next_run_time))


def mark_broken(tx: sa.Connection, job: DueJob | Unreadable | Job, reason: str, now: datetime) -> None:
    """Set a job whose trigger cannot be computed aside; it is kept and shown, never deleted."""
    tx.execute(
        jobs.update()
        .where(jobs.c.key == job.key, jobs.c.version == job.version)
        .values(state=JobState.BROKEN, reason=reason, version=job.version + 1, updated_at=to_micros(now))
    )
