"""Run the migrations, with Alembic, which is loaded only when there is something to migrate."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from scheduler_app.errors import StoreTooNew
from scheduler_app.store.schema import VERSION_TABLE


def migrate(connection: sa.Connection, on_create: Callable[[sa.Connection], None]) -> None:
    """Bring the schema up to date; whoever finds it done does nothing. Raises StoreTooNew."""
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


def _version(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _refuse_newer(version: str | None, scripts: ScriptDirectory) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    if version is not None and version not in known:
        raise StoreTooNew(
            f"the store has schema {version}, this version of scheduler_app knows {', '.join(sorted(known))}; "
            "install the version that wrote it, or a newer one"
        )
