"""Open a store for the first time: migrate it, and whoever makes it makes its admin key in the same transaction."""

import os
from pathlib import Path

import sqlalchemy as sa

from scheduler_app.clock import Clock
from scheduler_app.services.keys import add_admin_key, new_secret
from scheduler_app.store import schema
from scheduler_app.store.database import Connections

KEY_FILE = "admin.key"


def prepare(store: Connections, folder: Path | None, clock: Clock) -> None:
    """Bring a store up to date; the key of a new one is written into a folder. Without one, nobody needs a key."""
    secret = new_secret()

    def on_create(tx: sa.Connection) -> None:
        if folder is not None:
            add_admin_key(tx, secret, clock.now())
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_secret(folder / KEY_FILE, secret)

    schema.upgrade(store, on_create=on_create)


def _write_secret(path: Path, secret: str) -> None:
    """Write the key for its owner alone; it is on disk before the store that knows it is."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "w") as stream:
        stream.write(secret + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
