"""The runs of the same job around a run."""

from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.run import Run
from scheduler_app.store.rows import run_of
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import engines, runs

BEFORE = Statement(
    sa.select(runs)
    .where(runs.c.job_id == sa.bindparam("job"), runs.c.id < sa.bindparam("run"))
    .order_by(runs.c.id.desc())
    .limit(sa.bindparam("most"))
)
BEHIND = Statement(
    sa.select(runs.c.id, runs.c.job_key)
    .where(runs.c.job_id == sa.bindparam("job"), runs.c.id > sa.bindparam("run"))
    .order_by(runs.c.id)
    .limit(1)
)
NODE = Statement(sa.select(engines.c.node).where(engines.c.id == sa.bindparam("engine")))
COUNTED = Statement(
    sa.select(sa.func.count().label("number")).select_from(
        sa.select(runs.c.id)
        .where(runs.c.id > sa.bindparam("run"), runs.c.scheduled_at < sa.bindparam("until"))
        .limit(sa.bindparam("most"))
        .subquery()
    )
)


def before(tx: sa.Connection, run: Run, most: int) -> list[Run]:
    """Return at most so many runs of the same job before this one, the newest first."""
    rows = BEFORE.rows(tx, job=run.job_id, run=run.id, most=most)
    return [run_of(row) for row in rows if row.job_key == run.job_key]


def behind(tx: sa.Connection, run: Run) -> int | None:
    """Return the next run of the same job, if there is one."""
    row = next(iter(BEHIND.rows(tx, job=run.job_id, run=run.id)), None)
    return None if row is None or row.job_key != run.job_key else int(row.id)


def node(tx: sa.Connection, engine: int | None) -> str | None:
    """Return the name of an engine's node, as long as the engine is known."""
    found: str | None = None if engine is None else NODE.scalar(tx, engine=engine)
    return found


def newer(tx: sa.Connection, run_id: int, *, until: datetime, most: int) -> int:
    """Return how many runs came after a run, counted up to a bound; what is scheduled from `until` on is none."""
    return int(COUNTED.scalar(tx, run=run_id, until=to_micros(until), most=most))
