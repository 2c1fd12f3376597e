"""Copy a live SQLite store: one consistent snapshot, page by page, while it is written.

1. The copy reads in one read transaction. So it shows one moment, and does not begin anew at each commit of others, as
   SQLite's backup does when its source is not held (https://www.sqlite.org/backup.html).
2. It writes nothing to the source and makes no checkpoint there: nobody waits for it at the gate. While it lasts the
   write-ahead log grows, since no checkpoint can pass the snapshot.
3. It is made beside its place under another name, checked and forced to disk, and only then given its name.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from scheduler_app.errors import BackupRefused, StoreUnavailable
from scheduler_app.store.backend import translated
from scheduler_app.store.lanes import driver_of
from scheduler_app.store.schema import VERSION_TABLE
from scheduler_app.store.snapshot import look
from scheduler_app.store.sqlite import explain

PAGES_AT_ONCE = 1000
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What a copy holds."""

    path: Path
    size: int
    schema: str
    jobs: int
    runs: int


def back_up(source: Path, target: Path, *, replace: bool, progress: Progress) -> Copy:
    """Copy the store `source` to the file `target`, for its owner alone. `progress` hears of pages done and in all.

    Raises BackupRefused when `target` is there and is not to be replaced, or cannot be written, NotFound when there is
    no store, StoreUnavailable when the copy is not whole.
    """
    own = {source.with_name(source.name + end).resolve() for end in ("", "-wal", "-shm", ".gate")}
    if target.resolve() in own:
        raise BackupRefused(f"{target} belongs to the store itself; name another file")
    if target.exists() and not replace:
        raise BackupRefused(f"{target} is there already; name another file, or say --force to replace it")
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        return _copy(source, target, draft, replace=replace, progress=progress)
    except OSError as error:
        raise BackupRefused(f"{target} cannot be written: {error.strerror}") from error
    finally:
        for left in (draft, *(draft.with_name(draft.name + end) for end in ("-journal", "-wal", "-shm"))):
            with suppress(OSError):
                left.unlink(missing_ok=True)


def _copy(source: Path, target: Path, draft: Path, *, replace: bool, progress: Progress) -> Copy:
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with translated(explain):
        look(source, lambda tx: _fill(tx, draft, progress))
        schema, jobs, runs = _checked(draft)
    _force(draft)
    if replace:
        draft.replace(target)
    else:
        _name(draft, target)
    _force(target.parent)
    return Copy(path=target, size=target.stat().st_size, schema=schema, jobs=jobs, runs=runs)


def _fill(tx: sa.Connection, draft: Path, progress: Progress) -> None:
    """Copy everything that the snapshot shows."""
    source = driver_of(tx)
    source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # a deferred BEGIN takes its snapshot here
    with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # forced to disk as a whole, in the end
        source.backup(copy, pages=PAGES_AT_ONCE, sleep=0, progress=lambda _, left, all_: progress(all_ - left, all_))
        copy.execute("PRAGMA journal_mode = DELETE")


def _checked(draft: Path) -> tuple[str, int, int]:
    """Return the schema, and how many jobs and runs the copy holds; StoreUnavailable when it is not whole."""
    with closing(sqlite3.connect(f"file:{quote(str(draft))}?immutable=1", uri=True)) as copy:
        found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreUnavailable(f"the copy is not whole, nothing was kept: {found}")
        if copy.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (VERSION_TABLE,)).fetchone() is None:
            raise StoreUnavailable("there is no table of ours in that file: it is no store, nothing was kept")
        schema, jobs, runs = copy.execute(
            f"SELECT (SELECT version_num FROM {VERSION_TABLE}), "  # noqa: S608 - a constant
            "(SELECT count(*) FROM scheduler_jobs), (SELECT count(*) FROM scheduler_runs)"
        ).fetchone()
    return str(schema), int(jobs), int(runs)


def _force(path: Path) -> None:
    """Have a file, or the names in a folder, on disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _name(draft: Path, target: Path) -> None:
    """Give the file its name, unless somebody else has taken it meanwhile."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise BackupRefused(f"{target} was made by somebody else meanwhile; nothing was replaced") from None
