"""PostgreSQL as a durable store: pooled connections that never hang, one writer at a time, NOTIFY to wake the others.

Invariants kept here:
- A write transaction begins by taking one advisory lock, and holds it to the end of COMMIT. PostgreSQL queues for it in
  order of arrival and gives it up with the session, so that a killed writer frees it at once; one that neither works
  nor ends loses its transaction after 5 s. It is what the gate is on SQLite: places of a job, concurrency keys,
  the global pause and keys of calls are read, then written, by the same functions on both. With finer locks, each of
  these would need its own, in one order; and a transaction serves up to 250 writes of a process anyhow.
- Nothing waits for ever: not for a connection, nor for an answer (the server may be stopped, or the network gone, which
  only this side can notice), nor for a lock.
- All that a transaction needs is set within it (SET LOCAL), so that it works behind a transaction pooler.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa

from scheduler_app.clock import SystemClock
from scheduler_app.errors import ConfigurationError
from scheduler_app.store.backend import Opened, T, Work, shown, translated
from scheduler_app.store.books import conclude
from scheduler_app.store.lanes import CHANNEL, WAKES, Lanes, driver_of, drop
from scheduler_app.store.outage import NoAnswer, Outage, Places

R = TypeVar("R")
CLOCK = SystemClock()
MOST_READERS = 10
# any number that other users of the database are unlikely to lock; the schema is added, since it may hold a store too
LOCK = 0x5C4ED
OUR_LOCK = f"SELECT pg_advisory_xact_lock({LOCK}, hashtext(coalesce(current_schema(), '')))"
NOTIFY = f"SELECT pg_notify('{CHANNEL}', ''); COMMIT"
# a statement is planned by how large its tables are then: one that met an empty table reads all of it, however it grows
PLANS_LAST = 32
BEGUN = "scheduler_begun"
LISTENS_FOR = 0.5
PATIENT = 600.0
# a writer that is stopped in the middle keeps the others out for so long; one that is only slow must not lose its work
WRITER_IDLES = 5.0
READER_IDLES = 60.0
OLDEST = 14
# a connection that the network has lost is noticed within 10 s, also while nothing is sent
NETWORK = {
    "application_name": "scheduler_app",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}


class PostgreSQL:
    """A server; `pooler`: behind a pooler that gives each transaction another connection."""

    path: Path | None = None

    def __init__(self, url: sa.URL, *, patience: float, pooler: bool) -> None:
        if url.drivername not in ("postgresql", "postgresql+psycopg"):
            raise ConfigurationError(
                f"database: the driver of {url.drivername!r} is not supported; write postgresql+psycopg://…"
            )
        self._url = url.set(drivername="postgresql+psycopg")
        self._patience = patience
        self._pooler = pooler

    def open(self) -> Opened:
        """Return lanes to the server; they connect when they are used."""
        outage = Outage()
        writer = ServerLanes(
            self._engine(self._patience), _begin_write(self._patience), Places(1, self._patience, outage)
        )
        patient = ServerLanes(self._engine(PATIENT), _begin_write(PATIENT), Places(1, PATIENT, Outage()))
        return Opened(reader=self._reader(self._patience, outage), writer=writer, patient=patient, gate=NoGate())

    def _reader(self, patience: float, outage: Outage) -> "ServerLanes":
        places = Places(MOST_READERS, self._patience, outage)
        return ServerLanes(self._engine(patience), _begin_read(patience), places)

    def _engine(self, patience: float) -> sa.Engine:
        return sa.create_engine(
            self._url,
            creator=lambda: self.connect(patience),
            poolclass=sa.pool.NullPool,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            paramstyle="format",
            hide_parameters=True,
            use_native_hstore=False,
        )

    def connect(self, patience: float) -> "BoundedConnection":
        """Return a new connection on which nothing takes longer than `patience`."""
        _, given = self._url.get_dialect()().create_connect_args(self._url)
        options: dict[str, Any] = {**NETWORK, **given, "client_encoding": "UTF8"}
        prepare_threshold = None if self._pooler else 5
        try:
            connection = BoundedConnection.connect(autocommit=True, prepare_threshold=prepare_threshold, **options)
        except psycopg.ProgrammingError as error:
            raise ConfigurationError(f"database: {shown(self._url)}: {' '.join(str(error).split())}") from None
        connection.patience = patience
        _refuse_unfit(connection)
        return connection

    def explain(self, error: Exception) -> str | None:
        """Say that the store is busy or gone; None for the fault of one statement."""
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
            return f"the store does not answer: {' '.join(str(cause).split()) or type(cause).__name__}"
        return None

    def version(self, tx: sa.Connection) -> str:
        """Return the version of the server."""
        return f"PostgreSQL {driver_of(tx).info.parameter_status('server_version')}"

    def probe(self) -> "Listener | NoListener":
        """Return what hears that others have committed something that is due."""
        return NoListener() if self._pooler else Listener(self.connect(self._patience))

    def look(self, work: Work[T]) -> T:
        """Run `work` on a snapshot; StoreUnavailable when the server does not answer."""
        lanes = self._reader(PATIENT, Outage())
        try:
            with translated(self.explain), lanes.transaction() as tx:
                return work(tx)
        finally:
            lanes.close()


def _refuse_unfit(connection: psycopg.Connection[Any]) -> None:
    """Raise ConfigurationError for a server that cannot keep what we write."""
    version, encoding = connection.info.server_version, connection.info.parameter_status("server_encoding")
    if version < OLDEST * 10_000 or encoding != "UTF8":
        connection.close()
        raise ConfigurationError(
            f"database: a store needs PostgreSQL {OLDEST} or newer and a database in UTF8, "
            f"got PostgreSQL {version // 10_000} and {encoding}"
        )


def _begin_write(patience: float) -> str:
    limits = _limits(patience, idle=max(WRITER_IDLES, patience))
    return f"BEGIN ISOLATION LEVEL READ COMMITTED; {limits}; SET LOCAL synchronous_commit = on; {OUR_LOCK}"


def _begin_read(patience: float) -> str:
    return f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_limits(patience, idle=max(READER_IDLES, patience))}"


def _limits(patience: float, *, idle: float) -> str:
    """Let the server give up a little before this side does, so that it can say why."""
    limits = {
        "lock_timeout": 0.8 * patience,
        "statement_timeout": 0.85 * patience,
        "idle_in_transaction_session_timeout": idle,
    }
    return "; ".join(f"SET LOCAL {name} = {int(seconds * 1000)}" for name, seconds in limits.items())


class NoGate:
    """Nothing: the lock stands in the transaction itself."""

    def held(self, patience: float) -> Any:
        """Be inside at once."""
        return nullcontext()

    def close(self) -> None:
        """Nothing to do."""


class ServerLanes(Lanes):
    """Connections to a server, a limited number of them; those that it has closed meanwhile are replaced."""

    def __init__(self, engine: sa.Engine, begin: str, places: Places) -> None:
        super().__init__(engine, begin, conclude)
        self._places = places

    @contextmanager
    def transaction(self, *, within: float | None = None) -> Iterator[sa.Connection]:
        """Begin, and commit at the end; StoreUnavailable when every connection is taken for too long."""
        with self._places.one() as looks:
            if looks:
                self._drop_idle()
            with super().transaction() as connection:
                self._places.outage.end()
                yield connection

    def _drop_idle(self) -> None:
        """Close the idle connections: what has silenced one of them may have silenced all."""
        with suppress(IndexError):
            while True:
                drop(self._idle.pop())

    def begun(self, within: float | None) -> sa.Connection:
        """Return a connection with a transaction that has begun."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            try:
                driver_of(connection).execute(self._begin_on(connection))
            except psycopg.OperationalError as error:
                drop(connection)
                if isinstance(error, NoAnswer) or not _is_gone(error.sqlstate):
                    raise
            else:
                return connection
        return super().begun(within)

    def _begin_on(self, connection: sa.Connection) -> str:
        """Return what begins a transaction, and now and then lets the session plan its statements anew."""
        begun = connection.info[BEGUN] = connection.info.get(BEGUN, 0) + 1
        return self._begin if begun % PLANS_LAST else f"{self._begin}; DISCARD PLANS"

    def _commit(self, connection: sa.Connection, driver: Any) -> None:
        driver.execute(NOTIFY if connection.info.pop(WAKES, False) else "COMMIT")


def _is_gone(sqlstate: str | None) -> bool:
    """Whether the server, or nobody known, has ended the session, so that another one is worth a try."""
    return sqlstate is None or sqlstate.startswith("08") or sqlstate in ("57P01", "57P02", "57P05")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection on which no call waits longer for the server than `patience` seconds."""

    patience: float = 1.7

    def wait(self, gen: Generator[Any, Any, R], *args: Any, **options: Any) -> R:
        """Wait for what the server says; when it says nothing, close the connection and raise OperationalError."""
        try:
            return super().wait(_bounded(gen, self.patience), *args, **options)
        except NoAnswer:
            self.pgconn.finish()
            raise

    @classmethod
    def _connect_gen(cls, *args: Any, **options: Any) -> Any:
        return _bounded(super()._connect_gen(*args, **options), cls.patience)


def _bounded(gen: Generator[Any, Any, R], patience: float) -> Generator[Any, Any, R]:
    """Pass a generator of psycopg's on, until the time is over: it is asked every 0.1 s while nothing comes."""
    limit = CLOCK.monotonic() + patience * 0.9
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and CLOCK.monotonic() > limit:
                raise NoAnswer(f"no answer within {patience:g} s")
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


class Listener:
    """LISTEN, on a connection of its own."""

    rest = 0.0

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._is_new = True
        connection.execute(f"LISTEN {CHANNEL}")

    def has_changed(self) -> bool:
        """Wait half a second for a notification; whether one came. A new listener may have missed some."""
        if self._is_new:
            self._is_new = False
            return True
        return any(True for _ in self._connection.notifies(timeout=LISTENS_FOR, stop_after=1))

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self._connection.close()


class NoListener:
    """What stands in where no connection can listen: the pass looks every second anyhow."""

    rest = 1.0

    def has_changed(self) -> bool:
        """Return that nothing is known."""
        return False

    def close(self) -> None:
        """Nothing to do."""
