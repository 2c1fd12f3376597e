"""The table of APScheduler's SQLAlchemyJobStore, in our database or in another: read, never written."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from scheduler_app.errors import ConfigurationError
from scheduler_app.store import facts
from scheduler_app.store.sqlite import sqlite_path

TABLE = "apscheduler_jobs"
MOVED = "moved_in"


@dataclass(frozen=True, kw_only=True)
class PickledJob:
    """A row: `state` is a pickle."""

    id: str
    state: bytes


def waiting(tx: sa.Connection) -> int:
    """Return how many jobs stand in APScheduler's table of this database that were not taken over."""
    inspector = sa.inspect(tx)
    if not inspector.has_table(TABLE) or "job_state" not in {one["name"] for one in inspector.get_columns(TABLE)}:
        return 0
    found: set[str] = set(tx.execute(sa.select(sa.table(TABLE, sa.column("id")).c.id)).scalars())
    return len(found - moved(tx))


def moved(tx: sa.Connection) -> set[str]:
    """Return the ids of the jobs that were taken over."""
    return set((facts.get(tx, MOVED) or {}).get("ids", ()))


def note_moved(tx: sa.Connection, ids: set[str]) -> None:
    """Remember that these jobs were taken over, so that none is twice."""
    facts.put(tx, MOVED, {"ids": sorted(moved(tx) | ids)})


def read(url: str, table: str) -> Sequence[PickledJob]:
    """Return the rows of a job store; ConfigurationError when there is no such database or table."""
    try:
        parsed = sa.engine.make_url(url)
        engine = sa.create_engine(parsed, poolclass=sa.pool.NullPool)
    except (sa.exc.ArgumentError, ImportError, ValueError):
        raise ConfigurationError("URL: not an SQLAlchemy URL; for example sqlite:////var/lib/app/jobs.db") from None
    path = sqlite_path(parsed) if parsed.get_backend_name() == "sqlite" else None
    shown = parsed.render_as_string(hide_password=True)
    if path is not None and not path.is_file():
        raise ConfigurationError(f"{shown}: there is no such file")
    try:
        with engine.connect() as connection:
            return _rows(connection, table, shown)
    except sa.exc.DBAPIError as error:
        raise ConfigurationError(f"{shown}: cannot be read: {error.orig}") from None


def _rows(connection: sa.Connection, table: str, shown: str) -> list[PickledJob]:
    inspector = sa.inspect(connection)
    if not inspector.has_table(table):
        tables = ", ".join(sorted(inspector.get_table_names())) or "none"
        raise ConfigurationError(f"{shown}: there is no table {table!r}; tables are: {tables}; name one with --table")
    source = sa.table(table, sa.column("id"), sa.column("job_state"))
    rows = connection.execute(sa.select(source.c.id, source.c.job_state).order_by(source.c.id))
    return [PickledJob(id=row.id, state=bytes(row.job_state)) for row in rows]
