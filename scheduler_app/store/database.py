"""The connection to the store: reads beside each other, writes one after the other with one commit for many.

Invariants kept here:
- A write transaction begins with BEGIN IMMEDIATE, inside the gate, and the gate is held to the end of COMMIT.
- `write` returns only after the commit, so that what it answers is on disk (`synchronous=FULL`).
- Writes that wait together share a transaction; each has a savepoint, so that one that fails takes none with it.
"""

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError

from scheduler_app.errors import ConfigurationError, StoreUnavailable
from scheduler_app.failpoints import failpoint
from scheduler_app.store.gate import Gate
from scheduler_app.store.lanes import Lanes, savepoint
from scheduler_app.store.sqlite import prepare_engine, refuse_network_folder, sqlite_path

T = TypeVar("T")
Work = Callable[[sa.Connection], T]
PATIENCE = 2.0
MOST_WRITES_TOGETHER = 250
STORE_FAILS = (OperationalError, InterfaceError, sqlite3.OperationalError)


# connections of the parent of a fork: never used here, and never closed, which would release what the parent holds
inherited: list["Connections | None"] = []


class Connections:
    """What one process has open."""

    def __init__(self, database: "Database") -> None:
        self.pid = os.getpid()
        self.preparing = threading.Lock()
        self.is_prepared = False
        try:
            refuse_network_folder(database.path)
            database.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(database.path)
            self._gate = Gate(database.path.with_name(database.path.name + ".gate"))
        except OSError as error:
            raise StoreUnavailable(f"cannot open {database.path}: {error.strerror}") from error
        self._patience = database.patience
        self._reader = Lanes(database.engine(writes=False), "BEGIN")
        self._lane = Lanes(database.engine(writes=True), "BEGIN IMMEDIATE")
        self._writer = Writer(self._lane, self._gate, database.patience)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Read one consistent snapshot; StoreUnavailable when the store does not answer."""
        with translated(), self._reader.transaction() as connection:
            yield connection

    def write(self, work: Work[T]) -> T:
        """Run `work` in a write transaction that it may share, and return its result once that is committed.

        It may be called a second time, after all that the first call wrote was undone.
        """
        return self._writer.write(work)

    @property
    def commits(self) -> int:
        """How many transactions have been begun to write."""
        return self._writer.commits

    def close(self) -> None:
        """Close everything; the last connection's checkpoint too runs behind the gate."""
        self._reader.close()
        with self._gate.held(self._patience):
            self._lane.close()
        self._gate.close()


def _create(path: Path) -> None:
    """Make the file for its owner alone. One that exists is not touched: closing it would drop SQLite's locks on it."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


class Database:
    """A store at an SQLAlchemy URL. Nothing is opened before the first use, and again after a fork.

    `prepare` is called with the open connections before anything else is read or written, until it succeeds.
    """

    def __init__(
        self,
        url: str,
        *,
        synchronous: str = "FULL",
        patience: float = PATIENCE,
        prepare: Callable[[Connections], None] | None = None,
    ) -> None:
        try:
            self.url = sa.engine.make_url(url)
        except sa.exc.ArgumentError:
            raise ConfigurationError("database: not an SQLAlchemy URL; for example sqlite:////var/lib/app.db") from None
        path = sqlite_path(self.url) if self.url.get_backend_name() == "sqlite" else None
        if path is None:
            raise ConfigurationError(
                f"database: {self.shown!r} is not supported; "
                "this version stores in an SQLite file: sqlite:////absolute/path.db"
            )
        self.path = path
        self.patience = patience
        self._synchronous = synchronous
        self._prepare = prepare
        self._opening = threading.Lock()
        self._connections: Connections | None = None

    @property
    def shown(self) -> str:
        """The URL as it may be shown: without a password, and without options, which may hold one."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    @property
    def connections(self) -> Connections:
        """The open connections of this process, prepared; a forked child opens its own."""
        connections = self._connections
        if connections is None or connections.pid != os.getpid():
            connections = self._open()
        if not connections.is_prepared:
            self._make_ready(connections)
        return connections

    def _open(self) -> Connections:
        with self._opening:
            if self._connections is None or self._connections.pid != os.getpid():
                inherited.append(self._connections)
                self._connections = Connections(self)
            return self._connections

    def _make_ready(self, connections: Connections) -> None:
        with connections.preparing:
            if not connections.is_prepared and self._prepare is not None:
                self._prepare(connections)
            connections.is_prepared = True

    def engine(self, *, writes: bool) -> sa.Engine:
        """Return an SQLAlchemy engine for reading or for writing."""
        return prepare_engine(self.url, writes=writes, synchronous=self._synchronous, patience=self.patience)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Read one consistent snapshot; StoreUnavailable when the store does not answer."""
        with self.connections.read() as connection:
            yield connection

    def write(self, work: Work[T]) -> T:
        """Run `work` in a write transaction that it may share, and return its result once that is committed.

        It may be called a second time, after all that the first call wrote was undone.
        """
        return self.connections.write(work)

    @property
    def commits(self) -> int:
        """How many transactions this process has begun to write."""
        return self.connections.commits

    def close(self) -> None:
        """Close every connection of this process. Using the database again opens it again."""
        with self._opening:
            connections, self._connections = self._connections, None
        if connections is not None and connections.pid == os.getpid():
            connections.close()


def default_url(folder: Path) -> str:
    """Return the URL of the store in a folder."""
    return f"sqlite:///{folder.absolute() / 'scheduler.db'}"


class _Entry(Generic[T]):
    """One write that waits for its commit."""

    __slots__ = ("_bell", "done", "error", "result", "work")

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self._bell = threading.Lock()
        self._bell.acquire()
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None

    def ring(self) -> None:
        """Wake its thread, once or more; a bare lock takes fewer turns at the interpreter than an Event."""
        with suppress(RuntimeError):
            self._bell.release()

    def wait(self, seconds: float) -> bool:
        """Whether it was rung within these seconds; it can be waited for again."""
        return self._bell.acquire(timeout=seconds)


class Writer:
    """Group commit: whoever holds the turn commits for all who wait."""

    def __init__(self, lane: Lanes, gate: Gate, patience: float) -> None:
        self._lane = lane
        self._gate = gate
        self._patience = patience
        self.commits = 0
        self._turn = threading.Lock()
        self._waiting: deque[_Entry[Any]] = deque()

    def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction and return its result after the commit."""
        entry = _Entry(work)
        self._waiting.append(entry)
        while not entry.done:
            if self._turn.acquire(blocking=False):
                self._lead(entry)
            elif not entry.wait(self._patience):
                self._withdraw(entry)
        if entry.error is not None:
            raise entry.error
        result: T = entry.result
        return result

    def _lead(self, entry: _Entry[Any]) -> None:
        """Commit for all who wait, then call the first of those who came meanwhile to lead in turn."""
        try:
            if not entry.done:
                self._commit_waiting()
        finally:
            self._turn.release()
        with suppress(IndexError):
            self._waiting[0].ring()

    def _withdraw(self, entry: _Entry[Any]) -> None:
        """Give up a write that nobody has begun; one whose commit is under way is waited for."""
        try:
            self._waiting.remove(entry)
        except ValueError:
            return
        raise StoreUnavailable(f"other writes held the store for {self._patience:g} s; try again")

    def _next_entries(self) -> list[_Entry[Any]]:
        entries: list[_Entry[Any]] = []
        with suppress(IndexError):
            while len(entries) < MOST_WRITES_TOGETHER:
                entries.append(self._waiting.popleft())
        return entries

    def _commit_waiting(self) -> None:
        entries = self._next_entries()
        try:
            with translated(), self._gate.held(self._patience):
                self.commits += 1
                if not self._run_together(entries):
                    self._run_apart(entries)
        except BaseException as error:
            for entry in entries:
                entry.error = entry.error or error
            if not isinstance(error, Exception):
                raise
        finally:
            for entry in entries:
                entry.done = True
                entry.ring()

    def _run_together(self, entries: list[_Entry[Any]]) -> bool:
        """Commit all writes as one; False when that was undone because one of several failed."""
        try:
            with self._lane.transaction() as connection:
                for entry in entries:
                    entry.result = entry.work(connection)
                failpoint("store.before_commit")
            failpoint("store.after_commit")
        except STORE_FAILS:
            raise
        except Exception:
            if len(entries) == 1:
                raise
            return False
        return True

    def _run_apart(self, entries: list[_Entry[Any]]) -> None:
        """Commit those of the writes that succeed; each of the others is undone and has its own error."""
        with self._lane.transaction() as connection:
            for entry in entries:
                try:
                    with savepoint(connection):
                        entry.result = entry.work(connection)
                except STORE_FAILS:
                    raise
                except Exception as error:  # noqa: BLE001 - handed to the caller that waits for it
                    entry.error = error
            failpoint("store.before_commit")
        failpoint("store.after_commit")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the driver raises when the store is busy or gone into StoreUnavailable."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise StoreUnavailable(f"the store does not answer: {error.orig}") from error
    except DatabaseError as error:
        if type(error) is not DatabaseError:
            raise
        raise StoreUnavailable(f"the store cannot be read: {error.orig}") from error
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"the store does not answer: {error}") from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise
        raise StoreUnavailable(f"the store cannot be read: {error}") from error
