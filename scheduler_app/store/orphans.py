"""Tasks that jobs name and no living engine has registered, as during a rolling upgrade: what waits, waits for one."""

import sqlalchemy as sa

from scheduler_app.store import engines
from scheduler_app.store.tables import OPEN, jobs

# one look into an index for each task there is, however many jobs name it
TASKS = sa.text(
    """
    WITH RECURSIVE names(task) AS (
        SELECT min(task) FROM scheduler_jobs
        UNION ALL
        SELECT (SELECT min(task) FROM scheduler_jobs WHERE scheduler_jobs.task > names.task)
        FROM names WHERE names.task IS NOT NULL
    )
    SELECT task FROM names WHERE task IS NOT NULL
    """
)


def unknown_tasks(tx: sa.Connection) -> list[str]:
    """Return the tasks of unfinished jobs that none of the living engines knows; none where no engine lives at all.

    A reference, `package.module:function`, is registered when it is first needed, so nothing can be said of it.
    """
    rows = engines.live(tx)
    if not rows:
        return []
    known = {task for row in rows for task in row.tasks}
    missing = [task for task in tx.execute(TASKS).scalars() if task not in known and ":" not in task]
    return [task for task in missing if _has_unfinished(tx, task)]


def is_unknown(tx: sa.Connection, task: str) -> bool:
    """Whether engines live, and none of them knows a task."""
    rows = engines.live(tx)
    return bool(rows) and ":" not in task and not any(task in row.tasks for row in rows)


def _has_unfinished(tx: sa.Connection, task: str) -> bool:
    query = sa.select(jobs.c.id).where(jobs.c.task == task, sa.text(OPEN)).limit(1)
    return tx.execute(query).first() is not None
