"""A new store for each test, migrated once: the migrations make the first of a process, the others are copies of it."""

import os
import tempfile
from functools import cache
from pathlib import Path

from scheduler_app.services.opening import KEY_FILE, prepare
from scheduler_app.store.database import Database, default_url
from scheduler_app.testing.clock import FakeClock


def lay_store(path: Path) -> None:
    """Put a new store at a path where there is none, and its admin key beside it: the same key in all of a process."""
    if path.exists():
        return
    store, key = _new_store()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file, content in ((path.with_name(KEY_FILE), key), (path, store)):
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(content)


@cache
def _new_store() -> tuple[bytes, bytes]:
    """Return what opening a store for the first time writes: the store itself, and the key."""
    with tempfile.TemporaryDirectory(prefix="scheduler-") as name:
        folder = Path(name)
        database = Database(
            default_url(folder), synchronous="OFF", prepare=lambda store: prepare(store, folder, FakeClock())
        )
        with database.read():
            pass
        database.close()
        assert database.path is not None
        return database.path.read_bytes(), (folder / KEY_FILE).read_bytes()
