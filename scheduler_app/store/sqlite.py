"""SQLite as a durable store: WAL, `synchronous=FULL`, explicit transactions, one writer behind the gate."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError

from scheduler_app.domain.change import What
from scheduler_app.domain.job import JobState
from scheduler_app.domain.policy import Delivery, Executor, Overlap
from scheduler_app.domain.run import Origin, Reason, RunState
from scheduler_app.errors import ConfigurationError, StoreUnavailable
from scheduler_app.store.backend import Opened, T, Work, shown, translated
from scheduler_app.store.bell import Bell
from scheduler_app.store.books import conclude
from scheduler_app.store.gate import Gate
from scheduler_app.store.lanes import FileLanes, Lanes
from scheduler_app.store.snapshot import look

NETWORK_FILE_SYSTEMS = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "beegfs",
        "gpfs",
        "gfs2",
        "ocfs2",
    }
    | {f"fuse.{kind}" for kind in ("sshfs", "glusterfs", "ceph", "s3fs", "gcsfuse", "rclone", "davfs")}
)
# https://www.sqlite.org/wal.html, "The WAL-Reset Bug"
WAL_FAULT_FIXED = (3, 51, 3)
# a checkpoint syncs the database file: a rarer one writes the pages that every commit touches once, not often
CHECKPOINT_PAGES = 4000
# a store that nobody forces to disk is a test's: it commits one firing at a time, and a commit copies whole pages
UNFORCED = "OFF"
SMALL_PAGE = 1024
MOUNTS = Path("/proc/mounts")
HELD = (
    "; another program, or a transaction of yours, is writing to the file: commit yours first, or add the job in it "
    "(in_transaction=)"
)


LOOK_EVERY = 0.05
REST = 0.02

# the driver looks in three places for how to bind what is not exactly text, at five times the price of binding text
for kind in (JobState, Overlap, Delivery, Executor, RunState, Origin, Reason, What):
    sqlite3.register_adapter(kind, str.__str__)


def explain(error: Exception) -> str | None:
    """Say that the file is busy, gone or damaged; None for the fault of one statement."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    if isinstance(error, OperationalError | InterfaceError | sqlite3.OperationalError):
        held = HELD if getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY else ""
        return f"the store does not answer: {cause}{held}"
    if type(error) in (DatabaseError, sqlite3.DatabaseError):
        return f"the store cannot be read: {cause}"
    return None


class SQLite:
    """A file on this host."""

    def __init__(self, url: sa.URL, *, synchronous: str, patience: float) -> None:
        if url.drivername not in ("sqlite", "sqlite+pysqlite"):
            raise ConfigurationError(f"database: the driver of {url.drivername!r} is not supported; write sqlite:///…")
        path = sqlite_path(url)
        if path is None:
            raise ConfigurationError(
                f"database: {shown(url)!r} is not supported; a store in SQLite is a file: sqlite:////absolute/path.db"
            )
        self.path: Path | None = path
        self._file = path
        self._gate = path.with_name(path.name + ".gate")
        self._url = url
        self._synchronous = synchronous
        self._patience = patience

    def open(self) -> Opened:
        """Open the file, and make it if there is none."""
        try:
            refuse_network_folder(self._file)
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(self._file)
            gate = Gate(self._gate)
        except OSError as error:
            raise StoreUnavailable(f"cannot open {self._file}: {error.strerror}") from error
        writer = FileLanes(self._engine(writes=True), "BEGIN IMMEDIATE", conclude, gate.ring)
        return Opened(reader=Lanes(self._engine(writes=False), "BEGIN"), writer=writer, patient=writer, gate=gate)

    def _engine(self, *, writes: bool) -> sa.Engine:
        return prepare_engine(self._url, writes=writes, synchronous=self._synchronous, patience=self._patience)

    def explain(self, error: Exception) -> str | None:
        """Say that the store is busy, gone or damaged; None for the fault of one statement."""
        return explain(error)

    def version(self, tx: sa.Connection | None = None) -> str:
        """Return the version in use, and what is to be known about it."""
        return sqlite_version()

    def probe(self) -> "ChangeProbe":
        """Return what sees the commits of others."""
        return ChangeProbe(self._file, Bell(self._gate))

    def look(self, work: Work[T]) -> T:
        """Run `work` on a snapshot, making and changing nothing; NotFound when there is no such file."""
        refuse_network_folder(self._file)
        with translated(self.explain):
            return look(self._file, work)


def _create(path: Path) -> None:
    """Make the file for its owner alone. One that exists is not touched: closing it would drop SQLite's locks on it."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def sqlite_path(url: sa.URL) -> Path | None:
    """Return the file of an SQLite URL; None for one in memory."""
    name = url.database
    return Path(name).absolute() if name and name != ":memory:" and not name.startswith("file:") else None


def prepare_engine(url: sa.URL, *, writes: bool, synchronous: str, patience: float) -> sa.Engine:
    """Return an engine that leaves transactions to us, with connections for reading or for writing."""
    engine = sa.create_engine(
        url,
        poolclass=sa.pool.NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "timeout": patience},
    )

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        if synchronous == UNFORCED:
            connection.execute(f"PRAGMA page_size = {SMALL_PAGE}")
        for pragma in ("journal_mode = WAL", f"synchronous = {synchronous}", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        if not writes:
            connection.execute("PRAGMA query_only = ON")

    return engine


def sqlite_version() -> str:
    """Return the version in use, and whether a checkpoint beside a commit can damage the file with it."""
    fixed = ".".join(str(part) for part in WAL_FAULT_FIXED)
    if sqlite3.sqlite_version_info >= WAL_FAULT_FIXED:
        return f"SQLite {sqlite3.sqlite_version}, without the WAL-reset fault"
    return (
        f"SQLite {sqlite3.sqlite_version} has the WAL-reset fault (fixed in {fixed}), which needs a checkpoint beside "
        "a commit; the gate keeps them apart, so let no other program write to the file"
    )


class ChangeProbe:
    """A connection that only asks whether another one has committed (3 µs): when the bell rings, and now and then.

    After it has rung it is left alone for a moment, since a process that adds much hears its own ringing.
    """

    rest = 0.0

    def __init__(self, path: Path, bell: Bell) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.0)
        self._bell = bell
        self._version: int | None = None

    def has_changed(self) -> bool:
        """Whether another connection has committed since the last time this was asked, at the latest in a moment."""
        self.rest = REST if self._bell.wait(LOOK_EVERY) else 0.0
        before, self._version = self._version, self._connection.execute("PRAGMA data_version").fetchone()[0]
        return before != self._version

    def close(self) -> None:
        """Close the connection."""
        self._bell.close()
        self._connection.close()


def refuse_network_folder(path: Path) -> None:
    """Raise ConfigurationError when the file lies on a network file system, whose locks cannot be trusted."""
    if not MOUNTS.exists():
        return
    folder = path.parent.resolve()
    mounts = [line.split()[1:3] for line in MOUNTS.read_text().splitlines()]
    under = [(mount, kind) for mount, kind in mounts if folder.is_relative_to(mount)]
    _, kind = max(under, key=lambda row: len(row[0]), default=("/", ""))
    if kind in NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            f"{path} lies on a network file system ({kind}), where SQLite loses data; use a local disk"
        )
