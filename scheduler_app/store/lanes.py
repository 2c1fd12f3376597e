"""Connections that stay open between transactions, and transactions that cost what the driver's own cost."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import SystemClock
from scheduler_app.errors import SchedulerError

WAKES = "scheduler_wakes"
CLOCK = SystemClock()
MOST_TIMED = 50
NOTES = "scheduler_notes"
# where a server tells that something is due
CHANNEL = "scheduler_due"
LONG_ENOUGH = 1.5


Conclude = Callable[[sa.Connection, list[Any]], None]


def _ignore(_tx: sa.Connection, _noted: list[Any]) -> None:
    pass


class Lanes:
    """A stack of connections of one engine; as many as there are transactions at one time.

    What a transaction has noted is handed to `conclude` right before its COMMIT.
    """

    def __init__(self, engine: sa.Engine, begin: str, conclude: Conclude = _ignore) -> None:
        self._engine = engine
        self._begin = begin
        self._conclude = conclude
        self._idle: list[sa.Connection] = []
        self.took: deque[float] = deque(maxlen=MOST_TIMED)

    def transaction(self, *, within: float | None = None) -> AbstractContextManager[sa.Connection]:
        """Begin, and commit at the end; when something raises roll back, and drop a connection that may be at fault.

        `within`: what is left of the seconds that beginning may take, where waiting for others has cost some already.
        """
        return _Transaction(self, within)

    def end(self, connection: sa.Connection, error: BaseException | None) -> None:
        """Commit, or roll back what has raised."""
        if error is not None:
            self._undo(connection, error)
            return
        try:
            noted = connection.info.pop(NOTES, None)
            if noted:
                self._conclude(connection, noted)
            began = CLOCK.monotonic()
            self._commit(connection, driver_of(connection))
            self.took.append(CLOCK.monotonic() - began)
        except BaseException as fault:
            self._undo(connection, fault)
            raise
        self._idle.append(connection)

    def _undo(self, connection: sa.Connection, error: BaseException) -> None:
        if isinstance(error, SchedulerError):
            connection.info.pop(NOTES, None)
            connection.info.pop(WAKES, None)
            driver_of(connection).rollback()
            self._idle.append(connection)
            return
        with suppress(Exception):
            driver_of(connection).rollback()
        drop(connection)

    def begun(self, within: float | None) -> sa.Connection:
        """Return a connection with a transaction that has begun."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            self._execute_begin(driver_of(connection), within)
        except BaseException:
            drop(connection)
            raise
        return connection

    def _execute_begin(self, driver: Any, within: float | None) -> None:
        driver.execute(self._begin)

    def _commit(self, connection: sa.Connection, driver: Any) -> None:
        driver.execute("COMMIT")

    def close(self) -> None:
        """Close every connection that is not in use."""
        while self._idle:
            self._idle.pop().close()
        self._engine.dispose()


class FileLanes(Lanes):
    """Connections that write; whoever has waited at the gate waits the less for other programs behind it.

    `ring` tells other processes of what is due, once it is committed.
    """

    def __init__(self, engine: sa.Engine, begin: str, conclude: Conclude, ring: Callable[[], None]) -> None:
        super().__init__(engine, begin, conclude)
        self._ring = ring

    def _commit(self, connection: sa.Connection, driver: Any) -> None:
        driver.execute("COMMIT")
        if connection.info.pop(WAKES, False):
            self._ring()

    def _execute_begin(self, driver: Any, within: float | None) -> None:
        if within is None or within > LONG_ENOUGH:
            driver.execute(self._begin)
            return
        usual = driver.execute("PRAGMA busy_timeout").fetchone()[0]
        driver.execute(f"PRAGMA busy_timeout = {max(1, int(within * 1000))}")
        driver.execute(self._begin)
        driver.execute(f"PRAGMA busy_timeout = {usual}")


class _Transaction(AbstractContextManager[sa.Connection]):
    """From begin to commit; a class of its own, since a generator costs more than all that it does here."""

    __slots__ = ("_connection", "_lanes", "_within")

    def __init__(self, lanes: Lanes, within: float | None) -> None:
        self._lanes = lanes
        self._within = within

    def __enter__(self) -> sa.Connection:
        self._connection = self._lanes.begun(self._within)
        return self._connection

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._lanes.end(self._connection, error)


def wake_others(tx: sa.Connection) -> None:
    """Let the engines of other processes look as soon as this is committed: something is due earlier than they know."""
    tx.info[WAKES] = True


def notes(tx: sa.Connection) -> list[Any]:
    """Return what is noted for the end of a transaction: it is undone with what noted it."""
    noted: list[Any] = tx.info.setdefault(NOTES, [])
    return noted


@contextmanager
def savepoint(connection: sa.Connection) -> Iterator[None]:
    """Undo only what is done inside when that raises."""
    driver, noted = driver_of(connection), notes(connection)
    before = len(noted)
    driver.execute("SAVEPOINT scheduler_write")
    try:
        yield
    except BaseException:
        del noted[before:]
        driver.execute("ROLLBACK TO scheduler_write")
        driver.execute("RELEASE scheduler_write")
        raise
    driver.execute("RELEASE scheduler_write")


@contextmanager
def undone(connection: sa.Connection) -> Iterator[None]:
    """Undo what is done inside, whatever comes of it."""
    driver, noted = driver_of(connection), notes(connection)
    before = len(noted)
    driver.execute("SAVEPOINT scheduler_rehearsal")
    try:
        yield
    finally:
        del noted[before:]
        driver.execute("ROLLBACK TO scheduler_rehearsal")
        driver.execute("RELEASE scheduler_rehearsal")


def drop(connection: sa.Connection) -> None:
    """Close a connection that may be broken: nothing is said on it any more."""
    connection.invalidate()
    connection.close()


def driver_of(connection: sa.Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.dbapi_connection
