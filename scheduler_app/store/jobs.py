"""Jobs in the store: one function a statement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from scheduler_app.clock import to_micros
from scheduler_app.domain.job import Job, JobState, LastRun
from scheduler_app.store.rows import job_of, job_values
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import FINISHED, HELD, OPEN, job_tags, jobs, runs


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs a page shows; an empty tuple means any."""

    states: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


def values_of(job: Job) -> dict[str, Any]:
    """Return what `insert` writes, so that it can be made before the transaction."""
    return job_values(job)


INSERT = Statement(
    sqlite.insert(jobs).on_conflict_do_nothing(index_elements=["id"]).returning(jobs.c.key),
    columns=[column.name for column in jobs.columns if column.name not in ("key", "skip_count")],
)


def insert(tx: sa.Connection, job: Job, values: Mapping[str, Any]) -> int | None:
    """Insert a job by its `values_of` and return its key; None when its id is taken."""
    key: int | None = INSERT.scalar(tx, **values)
    if key is None:
        return None
    insert_tags(tx, key, job.policies.tags)
    return key


def insert_tags(tx: sa.Connection, key: int, tags: Sequence[str]) -> None:
    """Add the tags of a job that has none."""
    if tags:
        tx.execute(job_tags.insert(), [{"tag": tag, "job_key": key} for tag in dict.fromkeys(tags)])


def delete_tags(tx: sa.Connection, key: int) -> None:
    """Remove every tag of a job."""
    tx.execute(job_tags.delete().where(job_tags.c.job_key == key))


def find(tx: sa.Connection, job_id: str) -> Job | None:
    """Return the job of that id, or None."""
    row = tx.execute(sa.select(jobs).where(jobs.c.id == job_id)).first()
    return None if row is None else job_of(row, last_runs(tx, [row.id]).get(row.key))


def update(tx: sa.Connection, job: Job, *, version: int) -> bool:
    """Write a changed job if it still has `version`; whether it had."""
    changed = tx.execute(
        jobs.update().where(jobs.c.key == job.key, jobs.c.version == version).values(job_values(job))
    ).rowcount
    return changed == 1


def delete(tx: sa.Connection, key: int) -> None:
    """Remove a job; its runs stay."""
    delete_tags(tx, key)
    tx.execute(jobs.delete().where(jobs.c.key == key))


def page(tx: sa.Connection, where: JobFilter, *, after: str | None, limit: int) -> list[Job]:
    """Return the jobs that fit, by id, beginning after one."""
    query = sa.select(jobs).order_by(jobs.c.id).limit(limit)
    if where.states:
        query = query.where(jobs.c.state.in_(where.states))
    query = query.where(sa.text(_covering(where.states)))
    if where.tasks:
        query = query.where(jobs.c.task.in_(where.tasks))
    if where.tags:
        query = query.where(jobs.c.key.in_(sa.select(job_tags.c.job_key).where(job_tags.c.tag.in_(where.tags))))
    if after is not None:
        query = query.where(jobs.c.id > after)
    rows = tx.execute(query).all()
    newest = last_runs(tx, [row.id for row in rows])
    return [job_of(row, newest.get(row.key)) for row in rows]


def in_order(tx: sa.Connection, *, until: datetime | None = None, limit: int, offset: int = 0) -> list[Job]:
    """Return active jobs in the order in which they fire next, all or those due at `until`."""
    due = sa.text("state = 'active' AND next_run_time IS NOT NULL")
    query = sa.select(jobs).where(due).order_by(jobs.c.next_run_time, jobs.c.key).limit(limit).offset(offset)
    if until is not None:
        query = query.where(jobs.c.next_run_time <= to_micros(until))
    return [job_of(row) for row in tx.execute(query)]


def ids(tx: sa.Connection) -> list[str]:
    """Return the id of every job, of finished ones too."""
    return list(tx.execute(sa.select(jobs.c.id).order_by(jobs.c.key)).scalars())


def _covering(states: tuple[str, ...]) -> str:
    """Return the condition, true of every job in these states, of the narrowest index that holds them all."""
    if states and set(states) <= {JobState.PAUSED, JobState.BROKEN}:
        return HELD
    if set(states) == {JobState.FINISHED}:
        return FINISHED
    return "true" if JobState.FINISHED in states else OPEN


def last_runs(tx: sa.Connection, job_ids: Sequence[str]) -> dict[int, LastRun]:
    """Return the newest run of each of these jobs, by key."""
    newest = sa.select(sa.func.max(runs.c.id)).where(runs.c.job_id.in_(job_ids)).group_by(runs.c.job_id)
    rows = tx.execute(sa.select(runs.c.id, runs.c.job_key, runs.c.state).where(runs.c.id.in_(newest)))
    return {row.job_key: LastRun(id=row.id, state=row.state) for row in rows}


def finish_idle(tx: sa.Connection, keys: Iterable[int]) -> None:
    """Finish those of these jobs that have nothing due and no open run."""
    FINISH_IDLE.many(tx, [{"key_": key} for key in set(keys)])


FINISH_IDLE = Statement(
    jobs.update()
    .where(
        jobs.c.key == sa.bindparam("key_"),
        sa.text("scheduler_jobs.state IN ('active', 'paused')"),
        jobs.c.next_run_time.is_(None),
        ~sa.exists().where(
            runs.c.job_key == jobs.c.key, sa.text("scheduler_runs.state IN ('scheduled', 'queued', 'running')")
        ),
    )
    .values(state=JobState.FINISHED, reason=None, version=jobs.c.version + 1)
)


def count_by_state(tx: sa.Connection) -> dict[str, int]:
    """Return how many jobs are in each state."""
    rows: Any = tx.execute(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state))
    return dict(rows.all())
