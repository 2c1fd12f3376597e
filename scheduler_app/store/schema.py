"""Bring a store up to date: one transaction, whoever starts first does it, everyone else finds it done."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from scheduler_app.errors import StoreTooNew
from scheduler_app.store.database import Connections, Database

HEAD = "0001"
VERSION_TABLE = "scheduler_version"


def upgrade(database: Connections | Database, *, on_create: Callable[[sa.Connection], None]) -> None:
    """Migrate the store to this version; `on_create` runs in the transaction that makes the first tables.

    Raises StoreTooNew when a newer version of this package wrote it.
    """
    with database.read() as connection:
        if _version(connection) == HEAD:
            return
    database.write(lambda connection: _upgrade(connection, on_create))


def _version(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _upgrade(connection: sa.Connection, on_create: Callable[[sa.Connection], None]) -> None:
    config = Config()
    config.set_main_option("script_location", "scheduler_app.store:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    before = _version(connection)
    _refuse_newer(before, scripts)
    with EnvironmentContext(config, scripts, fn=lambda at, _: scripts._upgrade_revs("head", at)) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE)
        environment.run_migrations()
    if before is None:
        on_create(connection)


def _refuse_newer(version: str | None, scripts: ScriptDirectory) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    if version is not None and version not in known:
        raise StoreTooNew(
            f"the store has schema {version}, this version of scheduler_app knows {', '.join(sorted(known))}; "
            "install the version that wrote it, or a newer one"
        )
