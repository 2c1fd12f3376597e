"""Read an SQLite store as it stands: in one read transaction, and without making or changing any file."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from scheduler_app.errors import NotFound
from scheduler_app.store.backend import T, Work
from scheduler_app.store.lanes import driver_of

PATIENCE = 5.0


def look(path: Path, work: Work[T]) -> T:
    """Run `work` on a snapshot of a store. NotFound when there is no such file.

    A store that nobody has open has no write-ahead log; reading it in the usual way would leave one. If one appears
    meanwhile, somebody has opened it, and what was read may be torn: it is read again.
    """
    if not path.is_file():
        raise NotFound(f"there is no store at {path}")
    log = path.with_name(path.name + "-wal")
    if not log.exists():
        before = path.stat().st_mtime_ns
        with _snapshot(path, "immutable=1") as tx:
            result = work(tx)
        if not log.exists() and path.stat().st_mtime_ns == before:
            return result
    with _snapshot(path, "mode=ro") as tx:
        return work(tx)


@contextmanager
def _snapshot(path: Path, how: str) -> Iterator[sa.Connection]:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True, isolation_level=None, timeout=PATIENCE)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        driver_of(connection).execute("BEGIN")
        yield connection
