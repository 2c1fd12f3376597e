"""Writes to a store that no other program uses, gathered: a transaction stays open for the next write to join.

A commit is a fifth of what a simulated firing costs. Invariants kept here, by which nobody can tell the difference:
- Each write has a savepoint: one that fails is undone, and alone.
- Whoever reads, in any thread, finds all that was written before committed.
- All is committed at the end of the block that gathers, and whenever the transaction has taken MOST writes.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import sqlalchemy as sa

from scheduler_app.errors import StoreUnavailable
from scheduler_app.store.gate import Gate, Held
from scheduler_app.store.lanes import FileLanes, Lanes, driver_of, drop

MOST = 64


class Gatherer(FileLanes):
    """The lane that writes, with the gate before it: both are kept while a transaction is open."""

    def __init__(self, engine: sa.Engine, begin: str, gate: Gate) -> None:
        super().__init__(engine, begin)
        self._gate = gate
        self._inner = threading.RLock()
        self._open: sa.Connection | None = None
        self._gathers = False
        self._is_writing = False
        self._writes = 0

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Let the writes of this block share transactions."""
        before, self._gathers = self._gathers, True
        try:
            yield
        finally:
            self._gathers = before
            if not before:
                self.settle()

    def settle(self) -> None:
        """Commit what is open, but not while it is written to: then it is this thread that looks, in its own write."""
        if self._open is None:
            return
        with self._inner:
            if self._open is not None and not self._is_writing:
                self._commit_open()
                self._gate.leave()

    def enter(self, patience: float) -> None:
        """Wait until this thread may write."""
        if not self._inner.acquire(timeout=patience):
            raise StoreUnavailable(f"another writer held the store for {patience:g} s; try again")
        try:
            if self._open is None:
                self._gate.enter(patience)
        except BaseException:
            self._inner.release()
            raise
        self._is_writing = True

    def leave(self) -> None:
        """Let the next one write."""
        self._is_writing = False
        if self._open is None:
            self._gate.leave()
        self._inner.release()

    def begun(self, within: float | None) -> sa.Connection:
        """Return a connection with a transaction that has begun, or goes on."""
        connection = self._open or super().begun(within)
        if self._gathers:
            self._open = connection
            driver_of(connection).execute("SAVEPOINT gathered")
        return connection

    def end(self, connection: sa.Connection, error: BaseException | None) -> None:
        """Keep what was written, or undo it."""
        if self._open is None:
            super().end(connection, error)
            return
        try:
            if error is not None:
                driver_of(connection).execute("ROLLBACK TO gathered")
            driver_of(connection).execute("RELEASE gathered")
        except BaseException:  # SQLite has undone all of it, as when the disk is full
            self._open, self._writes = None, 0
            drop(connection)
            raise
        self._writes += 1
        if self._writes >= MOST:
            self._commit_open()

    def _commit_open(self) -> None:
        connection, self._open, self._writes = self._open, None, 0
        assert connection is not None
        super().end(connection, None)


class GathererGate:
    """The gate before a gatherer."""

    def __init__(self, gatherer: Gatherer, gate: Gate) -> None:
        self._gatherer = gatherer
        self._gate = gate

    def held(self, patience: float) -> AbstractContextManager[None]:
        """Be inside; StoreUnavailable when that is not possible within `patience` seconds."""
        return Held(self._gatherer, patience)

    def close(self) -> None:
        """Close the file."""
        self._gate.close()


class Observers(Lanes):
    """The lane that reads: what was gathered is committed before."""

    def __init__(self, engine: sa.Engine, begin: str, settle: Callable[[], None]) -> None:
        super().__init__(engine, begin)
        self._settle = settle

    def begun(self, within: float | None) -> sa.Connection:
        """Return a connection with a transaction that has begun."""
        self._settle()
        return super().begun(within)
