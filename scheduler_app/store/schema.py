"""Bring a store up to date: one transaction, whoever starts first does it, everyone else finds it done."""

import importlib
import threading
from collections.abc import Callable

import sqlalchemy as sa

from scheduler_app.errors import StoreTooNew
from scheduler_app.store.database import Connections, Database

HEAD = "0004"
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
        database.write_alone(lambda connection: runner.migrate(connection, on_create))


def state(tx: sa.Connection) -> str:
    """Return in words how the tables of a store stand to this version; StoreTooNew when a newer one wrote them."""
    found = _version(tx)
    if found is None:
        return "there is no table of ours in it yet, the first start makes them"
    if found > HEAD:
        raise StoreTooNew(unknown_version(tx) or "")
    return f"schema {found}" if found == HEAD else f"schema {found}, the next start brings it to {HEAD}"


def unknown_version(tx: sa.Connection) -> str | None:
    """Return why the tables of a store are not those of this version, None when they are."""
    version = _version(tx)
    if version == HEAD:
        return None
    if version is None:
        return "it holds no store: there is no table of ours in it"
    known = f"this version of scheduler_app has schema {HEAD}"
    if version < HEAD:
        return f"the store has schema {version}, {known}: it is brought up to date when a service starts on it"
    return f"the store has schema {version}, {known}; use the version that wrote it, or a newer one"


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
