"""What runs and what waits, as far as a page shows it: some rows off a partial index, however many more there are."""

import sqlalchemy as sa

from scheduler_app.domain.run import Run
from scheduler_app.store.rows import run_of
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import BLOCKED, runs


def _some(where: str) -> Statement:
    return Statement(sa.select(runs).where(sa.text(where)).limit(sa.bindparam("most")))


RUNNING = _some("state = 'running'")
QUEUED = _some("state = 'queued'")
HELD_UP = _some(BLOCKED)


def running(tx: sa.Connection, limit: int) -> list[Run]:
    """Return runs that run."""
    return [run_of(row) for row in RUNNING.rows(tx, most=limit)]


def waiting(tx: sa.Connection, limit: int) -> list[Run]:
    """Return runs that are queued, and runs that wait for a place."""
    return [run_of(row) for statement in (QUEUED, HELD_UP) for row in statement.rows(tx, most=limit)]
