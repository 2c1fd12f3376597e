"""Bring a store up to date: one transaction, whoever starts first does it, everyone else finds it done.

Two versions of the service work on one store while the one replaces the other. So a migration first only expands, by
tables, by columns that may be null or have a default, by indexes: code that does not know them goes on. What no code
uses any more is removed in a later release, and SERVES then raised to the schema of the first code that does without.
"""

import importlib
import threading
from collections.abc import Callable

import sqlalchemy as sa

from scheduler_app.errors import StoreTooNew
from scheduler_app.store import facts, tables
from scheduler_app.store.database import Connections, Database

HEAD = "0015"
# the oldest schema whose code works on a store of HEAD; it is kept as a fact, for code that does not know this HEAD
SERVES = "0001"
FACT = "schema"
VERSION_TABLE = "scheduler_version"
RUNNER = "scheduler_app.store.migrations.runner"
# alembic keeps the migration under way in a global of the process: two stores at once would write into each other
MIGRATING = threading.Lock()


def upgrade(database: Connections | Database, *, on_create: Callable[[sa.Connection], None]) -> None:
    """Migrate the store to this version; `on_create` runs in the transaction that makes the first tables.

    Raises StoreTooNew when a newer version of this package wrote it.
    """
    with database.read() as connection:
        if _version(connection) == HEAD or _serves_this(connection):
            return
    runner = importlib.import_module(RUNNER)

    def migrate(connection: sa.Connection) -> None:
        runner.migrate(connection, on_create)
        facts.put(connection, FACT, {"schema": HEAD, "serves": SERVES})

    with MIGRATING:
        database.write_alone(migrate)


def state(tx: sa.Connection) -> str:
    """Return in words how the tables of a store stand to this version; StoreTooNew when a newer one wrote them."""
    found = _version(tx)
    if found is None:
        return "there is no table of ours in it yet, the first start makes them"
    if found > HEAD and _serves_this(tx):
        return f"schema {found}, newer than the {HEAD} of this version, which can work on it"
    if found > HEAD:
        raise StoreTooNew(unknown_version(tx) or "")
    return f"schema {found}" if found == HEAD else f"schema {found}, the next start brings it to {HEAD}"


def is_there(tx: sa.Connection) -> bool:
    """Whether a database has tables of ours, of whatever version."""
    return _version(tx) is not None


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


def _serves_this(connection: sa.Connection) -> bool:
    """Whether a newer version wrote the store, and has left it so that this one can work on it."""
    version = _version(connection)
    if version is None or version <= HEAD or not sa.inspect(connection).has_table(tables.facts.name):
        return False
    fact = facts.get(connection, FACT) or {}
    return fact.get("schema") == version and str(fact.get("serves", version)) <= HEAD


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
