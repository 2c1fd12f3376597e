"""SQLite as a durable store: WAL, `synchronous=FULL`, explicit transactions."""

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from scheduler_app.errors import ConfigurationError

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
MOUNTS = Path("/proc/mounts")


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
    """A connection that only asks whether another one has committed."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.0)

    def version(self) -> int:
        """Return a number that changes when another connection commits (3 µs)."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection."""
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
