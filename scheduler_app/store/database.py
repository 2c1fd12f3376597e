"""The connection to the store: reads beside each other, writes one after the other with one commit for many.

Invariants kept here, whatever the database is:
- Of all write transactions of all processes one is under way at a time. So what a write reads stays true until it is
  committed, and no function of the store needs locks of its own.
- `write` returns only after the commit, so that what it answers is on disk.
- Writes that wait together share a transaction; each has a savepoint, so that one that fails takes none with it.
"""

import importlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from scheduler_app.clock import Clock
from scheduler_app.errors import ConfigurationError
from scheduler_app.store.backend import Backend, Probe, T, Work, shown, translated
from scheduler_app.store.sqlite import SQLite
from scheduler_app.store.writer import Writer

# calls are answered within 2 s, also when the store is busy or gone
PATIENCE = 1.7
MIGRATION_PATIENCE = 60.0
POSTGRESQL = "scheduler_app.store.postgresql"


# connections of the parent of a fork: never used here, and never closed, which would release what the parent holds
inherited: list["Connections | None"] = []


class Connections:
    """What one process has open."""

    def __init__(self, backend: Backend, patience: float) -> None:
        self.pid = os.getpid()
        self.preparing = threading.Lock()
        self.is_prepared = False
        self._backend = backend
        self._patience = patience
        self._opened = backend.open()
        self._writer = Writer(self._opened, backend, patience)
        self.foreign = 0

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Read one consistent snapshot; StoreUnavailable when the store does not answer."""
        self._writer.cut()
        with translated(self._backend.explain), self._opened.reader.transaction() as connection:
            yield connection

    def write(self, work: Work[T]) -> T:
        """Run `work` in a write transaction that it may share, and return its result once that is committed.

        It may be called a second time, after all that the first call wrote was undone.
        """
        return self._writer.write(work)

    def string(self, work: Work[T]) -> T:
        """Run `work` in a transaction with those before, committed when anything else reads or writes, or by `cut`."""
        return self._writer.string(work)

    def cut(self) -> None:
        """Commit what was strung together."""
        self._writer.cut()

    def write_alone(self, work: Work[T]) -> T:
        """Run `work` in a write transaction of its own, however long it takes and however long others write before."""
        self._writer.cut()
        opened = self._opened
        with translated(self._backend.explain), opened.gate.held(MIGRATION_PATIENCE):
            try:
                with opened.patient.transaction() as connection:
                    return work(connection)
            finally:
                opened.patient.close()

    @property
    def commits(self) -> int:
        """How many transactions have been begun to write, those of others included that write here."""
        return self._writer.commits + self.foreign

    @property
    def commit_seconds(self) -> float | None:
        """How long the last commits have taken, as their median."""
        took = list(self._opened.writer.took)
        return median(took) if took else None

    def close(self) -> None:
        """Close everything; the last connection's checkpoint too runs behind the gate."""
        self._writer.cut()
        self._opened.reader.close()
        with self._opened.gate.held(self._patience):
            self._opened.writer.close()
            self._opened.patient.close()
        self._opened.gate.close()


class Database:
    """A store at an SQLAlchemy URL. Nothing is opened before the first use, and again after a fork.

    `prepare` is called with the open connections before anything else is read or written, until it succeeds. With
    `pooler` it works behind a transaction pooler, such as PgBouncer, that stands before PostgreSQL.
    """

    def __init__(
        self,
        url: str,
        *,
        synchronous: str = "FULL",
        patience: float = PATIENCE,
        pooler: bool = False,
        prepare: Callable[[Connections], None] | None = None,
    ) -> None:
        try:
            self.url = sa.engine.make_url(url)
        except sa.exc.ArgumentError:
            raise ConfigurationError("database: not an SQLAlchemy URL; for example sqlite:////var/lib/app.db") from None
        self.patience = patience
        self.backend = _backend(self.url, synchronous=synchronous, patience=patience, pooler=pooler)
        self._prepare = prepare
        self._opening = threading.Lock()
        self._connections: Connections | None = None

    @property
    def path(self) -> Path | None:
        """The file of an embedded store; None when it is a server's."""
        return self.backend.path

    @property
    def shown(self) -> str:
        """The URL as it may be shown: without a password, and without options, which may hold one."""
        return shown(self.url)

    @property
    def connections(self) -> Connections:
        """The open connections of this process, prepared; a forked child opens its own."""
        connections = self._connections
        if connections is None or connections.pid != os.getpid():
            connections = self._open()
        if not connections.is_prepared:
            self._make_ready(connections)
        return connections

    @property
    def is_open(self) -> bool:
        """Whether this process has opened and prepared the store."""
        connections = self._connections
        return connections is not None and connections.pid == os.getpid() and connections.is_prepared

    def _open(self) -> Connections:
        with self._opening:
            if self._connections is None or self._connections.pid != os.getpid():
                inherited.append(self._connections)
                self._connections = Connections(self.backend, self.patience)
            return self._connections

    def _make_ready(self, connections: Connections) -> None:
        with connections.preparing:
            if not connections.is_prepared and self._prepare is not None:
                self._prepare(connections)
            connections.is_prepared = True

    def read(self) -> AbstractContextManager[sa.Connection]:
        """Read one consistent snapshot; StoreUnavailable when the store does not answer."""
        return self.connections.read()

    def write(self, work: Work[T]) -> T:
        """Run `work` in a write transaction that it may share, and return its result once that is committed.

        It may be called a second time, after all that the first call wrote was undone.
        """
        return self.connections.write(work)

    def string(self, work: Work[T]) -> T:
        """Run `work` in a transaction with those before it, committed when anything else reads or writes, or by `cut`.

        Only for a store that no other program has open, such as a test's: what raises undoes those before it too.
        """
        return self.connections.string(work)

    def cut(self) -> None:
        """Commit what was strung together."""
        if self._connections is not None:
            self._connections.cut()

    def write_alone(self, work: Work[T]) -> T:
        """Run `work` in a write transaction of its own, however long it takes and however long others write before."""
        return self.connections.write_alone(work)

    def look(self, work: Work[T]) -> T:
        """Run `work` on a snapshot of the store as it stands, unprepared; NotFound when there is none."""
        return self.backend.look(work)

    def ahead(self, clock: Clock) -> tuple[timedelta, timedelta] | None:
        """Return how far the server's clock is ahead, and by how much that may be wrong; None without a server."""
        if self.path is not None:
            return None
        with self.read() as tx:
            before = clock.now()
            there: datetime = tx.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            half = (clock.now() - before) / 2
        return there - before - half, half

    def open(self) -> None:
        """Open the store and prepare it."""
        with self.read():
            pass

    def expect_commit(self) -> None:
        """Count a transaction of the caller's own, which will commit something to the store."""
        self.connections.foreign += 1

    def probe(self) -> Probe:
        """Return what sees the commits of others, on a connection of its own."""
        return self.backend.probe()

    @property
    def commits(self) -> int:
        """How many transactions this process has begun to write."""
        return 0 if self._connections is None else self._connections.commits

    @property
    def commit_seconds(self) -> float | None:
        """How long the last commits of this process have taken, as their median; None before the first."""
        return self.connections.commit_seconds

    def close(self) -> None:
        """Close every connection of this process. Using the database again opens it again."""
        with self._opening:
            connections, self._connections = self._connections, None
        if connections is not None and connections.pid == os.getpid():
            connections.close()


def _backend(url: sa.URL, *, synchronous: str, patience: float, pooler: bool) -> Backend:
    """Return the kind of database that a URL names; what PostgreSQL needs is loaded only then."""
    name = url.get_backend_name()
    if name == "sqlite":
        return SQLite(url, synchronous=synchronous, patience=patience)
    if name != "postgresql":
        raise ConfigurationError(
            f"database: {shown(url)!r} is not supported; allowed: sqlite:////absolute/path.db, "
            "postgresql+psycopg://user:password@host/name"
        )
    try:
        module = importlib.import_module(POSTGRESQL)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "psycopg":
            raise
        raise ConfigurationError(
            "database: PostgreSQL needs its driver: pip install 'scheduler_app[postgres]'"
        ) from None
    backend: Backend = module.PostgreSQL(url, patience=patience, pooler=pooler)
    return backend


def default_url(folder: Path) -> str:
    """Return the URL of the store in a folder."""
    return f"sqlite:///{folder.absolute() / 'scheduler.db'}"
