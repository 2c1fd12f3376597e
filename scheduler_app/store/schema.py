"""Bring a store up to date: one transaction, whoever starts first does it, everyone else finds it done."""

import importlib
import threading
from collections.abc import Callable

import sqlalchemy as sa

from scheduler_app.store.database import Connections, Database

HEAD = "0001"
VERSION_TABLE = "scheduler_version"
RUNNER = "scheduler_app.store.migrations.runner"
# alembic keeps the migration under way in a global of the process: two stores at once would write into each other
MIGRATING = threading.Lock()


def upgrade(database: Connections | Database, *, on_create: Callable[[sa.Connection], None]) -> None:
    """Migrate the store to this version; `on_create` runs in the transaction that makes the first tables.

    Raises StoreTooNew when a newer version of this package wrote it.
    """
    with database.read() as connection:
        if _version(connection) == HEAD:
            return
    runner = importlib.import_module(RUNNER)
    with MIGRATING:
        database.write(lambda connection: runner.migrate(connection, on_create))


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
