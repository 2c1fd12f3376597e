"""Runs in the store, as people see them: one function a statement."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.run import Reason, Run, RunError, RunState
from scheduler_app.store import endings
from scheduler_app.store.endings import ENDING
from scheduler_app.store.lanes import wake_others
from scheduler_app.store.rows import error_of, run_of
from scheduler_app.store.statement import Insert, Statement
from scheduler_app.store.tables import OPEN_RUNS, runs


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs a page shows, and in which order; empty means any.

    `since` and `until` are of when they were due, `ended_since` and `ended_until` of when they ended.
    """

    states: tuple[str, ...] = ()
    job_ids: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    ended_since: datetime | None = None
    ended_until: datetime | None = None
    sort: str = "-id"

    @property
    def has_ended(self) -> bool:
        """Whether only runs fit that have ended."""
        return self.ended_since is not None or self.ended_until is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunPlace:
    """Where a run stands in a list: what the list is sorted by, if that is not the id, then the id."""

    value: int
    id: int


BY_HAND = (
    "job_key",
    "job_id",
    "task",
    "args",
    "kwargs",
    "origin",
    "scheduled_at",
    "ready_at",
    "queued_at",
    "state",
    "reason",
    "max_attempts",
    "priority",
    "concurrency_key",
    "timeout",
    "delivery",
    "retry",
    "executor",
)
INSERT = Insert(runs.insert(), runs.c.id, columns=BY_HAND)
INSERT_RETRY = Insert(runs.insert(), runs.c.id, columns=(*BY_HAND, "retry_of", "first_run", "parent_run"))


def insert(tx: sa.Connection, values: dict[str, Any]) -> int:
    """Insert a run and return its id."""
    return _insert(INSERT, tx, values)


def insert_retry(tx: sa.Connection, values: dict[str, Any]) -> int:
    """Insert a run that a person asked for in place of another one, and return its id."""
    return _insert(INSERT_RETRY, tx, values)


def _insert(statement: Insert, tx: sa.Connection, values: dict[str, Any]) -> int:
    if values["state"] == RunState.QUEUED:
        wake_others(tx)
    key = statement.key(tx, values)
    assert key is not None
    return key


def first_run(tx: sa.Connection, run_id: int) -> int | None:
    """Return the run that a retry goes back to; None for one that goes back to a firing, or is no retry."""
    first: int | None = tx.execute(sa.select(runs.c.first_run).where(runs.c.id == run_id)).scalar_one()
    return first


FIND = Statement(sa.select(runs).where(runs.c.id == sa.bindparam("id_")))


def find(tx: sa.Connection, run_id: int) -> Run | None:
    """Return the run of that id, or None."""
    return next((run_of(row) for row in FIND.rows(tx, id_=run_id)), None)


ERRORS_BEFORE = Statement(
    sa.select(runs.c.state, runs.c.error_type, runs.c.error_message, runs.c.error_traceback)
    .where(
        runs.c.job_id == sa.bindparam("job"),
        runs.c.id < sa.bindparam("before"),
        sa.text("state IN ('succeeded', 'failed', 'timed_out', 'lost')"),
    )
    .order_by(runs.c.id.desc())
    .limit(sa.bindparam("most"))
)


def errors_before(tx: sa.Connection, run: Run, most: int) -> Iterator[RunError | None]:
    """Yield the errors of the runs of a job before one of it, the last first; None for one without."""
    for row in ERRORS_BEFORE.rows(tx, job=run.job_id, before=run.id, most=most):
        yield error_of(row._asdict())


def cancel_waiting(tx: sa.Connection, run_id: int, *, reason: Reason, now: datetime) -> bool:
    """Cancel a run that has not started; False when it has."""
    wake_others(tx)  # what it kept waiting may start
    cancelled = tx.execute(
        runs.update()
        .where(runs.c.id == run_id, runs.c.state.in_([RunState.SCHEDULED, RunState.QUEUED]))
        .values(state=RunState.CANCELLED, reason=reason, finished_at=to_micros(now))
        .returning(*ENDING)
    ).all()
    endings.note_rows(tx, cancelled)
    return len(cancelled) == 1


def request_cancel(tx: sa.Connection, run_id: int) -> bool:
    """Ask the engine of a running run to stop it; False when it is not running."""
    wake_others(tx)
    changed = tx.execute(
        runs.update().where(runs.c.id == run_id, runs.c.state == RunState.RUNNING).values(cancel_requested=True)
    ).rowcount
    return changed == 1


CANCEL_WAITING_OF_JOB = Statement(
    runs.update()
    .where(
        runs.c.job_key == sa.bindparam("key_"),
        sa.text(f"{OPEN_RUNS} AND state <> 'running'"),
    )
    .values(state=RunState.CANCELLED, reason=sa.bindparam("reason_"), finished_at=sa.bindparam("now_"))
    .returning(*ENDING)
)


def cancel_waiting_of_job(tx: sa.Connection, key: int, *, reason: Reason, now: datetime) -> list[int]:
    """Cancel every run of a job that waits; return those that had been started before."""
    wake_others(tx)
    cancelled = CANCEL_WAITING_OF_JOB.rows(tx, key_=key, reason_=reason, now_=to_micros(now))
    endings.note_rows(tx, cancelled)
    return [row.id for row in cancelled if row.started_at is not None]


def set_progress(tx: sa.Connection, values: list[dict[str, Any]]) -> None:
    """Keep how far running tasks say they are: `id_`, `current_`, `total_`, `message_`."""
    if values:
        tx.execute(PROGRESS, values)


PROGRESS = (
    runs.update()
    .where(runs.c.id == sa.bindparam("id_"))
    .values(
        progress_current=sa.bindparam("current_"),
        progress_total=sa.bindparam("total_"),
        progress_message=sa.bindparam("message_"),
    )
)
