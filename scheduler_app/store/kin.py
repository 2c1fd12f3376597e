"""The runs of the same job around a run."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.run import Run
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import engines, runs

BEFORE = Statement(
    sa.select(runs.c.id, runs.c.job_key)
    .where(runs.c.job_id == sa.bindparam("job"), runs.c.id < sa.bindparam("run"))
    .order_by(runs.c.id.desc())
    .limit(1)
)
BEHIND = Statement(
    sa.select(runs.c.id, runs.c.job_key)
    .where(runs.c.job_id == sa.bindparam("job"), runs.c.id > sa.bindparam("run"))
    .order_by(runs.c.id)
    .limit(1)
)
NODE = Statement(sa.select(engines.c.node).where(engines.c.id == sa.bindparam("engine")))


def before(tx: sa.Connection, run: Run) -> int | None:
    """Return the run of the same job before this one, if there is one."""
    return _own(BEFORE.rows(tx, job=run.job_id, run=run.id), run)


def behind(tx: sa.Connection, run: Run) -> int | None:
    """Return the next run of the same job, if there is one."""
    return _own(BEHIND.rows(tx, job=run.job_id, run=run.id), run)


def _own(rows: Sequence[Any], run: Run) -> int | None:
    """Return the run found, unless it is of a job that had the same id."""
    return next((int(row.id) for row in rows if row.job_key == run.job_key), None)


def node(tx: sa.Connection, engine: int | None) -> str | None:
    """Return the name of an engine's node, as long as the engine is known."""
    found: str | None = None if engine is None else NODE.scalar(tx, engine=engine)
    return found
