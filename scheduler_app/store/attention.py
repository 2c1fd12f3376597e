"""Jobs that need a look: which run now, which failed or missed lately. Read by index, never by walking jobs."""

from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.run import RunState
from scheduler_app.domain.track import FAILURES
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import UNWELL, jobs, runs

RUNNING = Statement(sa.select(runs.c.job_key).where(sa.text("state = 'running'")).distinct())
OLDEST = Statement(
    sa.select(runs.c.scheduled_at, runs.c.job_key)
    .where(runs.c.job_id == sa.bindparam("job"))
    .order_by(runs.c.id)
    .limit(1)
)


def running(tx: sa.Connection) -> list[int]:
    """Return the keys of the jobs that run now."""
    return [row.job_key for row in RUNNING.rows(tx)]


def lately_failed(tx: sa.Connection, most: int) -> list[int]:
    """Return the keys of the jobs of the newest `most` runs that failed, the newest first."""
    keys: list[int] = []
    for state in sorted(FAILURES):
        keys += [row.job_key for row in tx.execute(_newest(state, most))]
    return list(dict.fromkeys(keys))


def lately_missed(tx: sa.Connection, since: datetime, most: int) -> list[int]:
    """Return the keys of the jobs of which something was missed since then, among the newest `most` that were."""
    rows = tx.execute(_newest(RunState.MISSED, most)).all()
    return list(dict.fromkeys(row.job_key for row in rows if row.finished_at and row.finished_at >= to_micros(since)))


def _newest(state: str, most: int) -> sa.Select[tuple[int, int | None]]:
    query = sa.select(runs.c.job_key, runs.c.finished_at).where(runs.c.state == state, sa.text(UNWELL))
    return query.order_by(runs.c.id.desc()).limit(most)


def count_runs(tx: sa.Connection, job_id: str, most: int) -> int:
    """Return how many runs of an id are kept, at most `most`."""
    some = sa.select(runs.c.id).where(runs.c.job_id == job_id).limit(most).subquery()
    return tx.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()


def oldest_run(tx: sa.Connection, job_id: str) -> int | None:
    """Return when the oldest run that is kept of an id was due, in microseconds."""
    return next((row.scheduled_at for row in OLDEST.rows(tx, job=job_id)), None)


def followers(tx: sa.Connection, job_id: str, most: int) -> list[tuple[str, str, str]]:
    """Return the id, the name and the task of the jobs that come after one."""
    query = sa.select(jobs.c.id, jobs.c.name, jobs.c.task).where(
        sa.text("after_job IS NOT NULL"), jobs.c.after_job == job_id
    )
    return [(row.id, row.name, row.task) for row in tx.execute(query.order_by(jobs.c.id).limit(most))]
