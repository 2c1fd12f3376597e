"""The migrations and the table definitions say the same, and every index is used."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from scheduler_app.domain.run import OPEN_STATES, RunState
from scheduler_app.errors import StoreTooNew
from scheduler_app.store import auditing, schema
from scheduler_app.store.database import Connections, Database
from scheduler_app.store.tables import OPEN_RUNS, UNWELL, metadata


def prepared(path: Path, created: list[str] | None = None) -> Database:
    def upgrade(store: Connections) -> None:
        schema.upgrade(store, on_create=lambda _: None if created is None else created.append("made"))

    return Database(f"sqlite:///{path}", prepare=upgrade)


def test_the_migrations_lead_to_the_tables_as_they_are_defined(tmp_path: Path):
    database = prepared(tmp_path / "s.db")
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        made = {row.name: row.sql for row in connection.execute(sa.text("SELECT name, sql FROM sqlite_master"))}
    database.close()
    fresh = sa.create_engine("sqlite://")
    metadata.create_all(fresh)
    with fresh.connect() as connection:
        rows = connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE name LIKE 'scheduler_%'"))
        defined = {row.name: row.sql for row in rows}
    fresh.dispose()
    assert {name: _canonical(made[name]) for name in defined} == {
        name: _canonical(sql) for name, sql in defined.items()
    }


@pytest.mark.parametrize(
    ("condition", "states"),
    [(OPEN_RUNS, OPEN_STATES), (UNWELL, {*RunState} - {*OPEN_STATES, RunState.SUCCEEDED})],
    ids=["open", "unwell"],
)
def test_the_condition_of_an_index_of_states_holds_for_just_these(condition: str, states: set[RunState]):
    database = sqlite3.connect(":memory:")
    holds = {state: database.execute(f"SELECT {condition} FROM (SELECT ? AS state)", (state,)) for state in RunState}
    assert {state for state, found in holds.items() if found.fetchone() == (1,)} == {*states}
    database.close()


def test_no_index_makes_sqlite_build_a_list_for_each_row_that_is_written():
    conditions = [
        index.dialect_options["sqlite"]["where"] for table in metadata.tables.values() for index in table.indexes
    ]
    assert not [condition for condition in conditions if condition is not None and str(condition).count(",") > 1]


def _canonical(sql: str | None) -> str:
    return "" if sql is None else "".join(sql.split()).lower()


def test_only_the_first_opening_makes_the_store(tmp_path: Path):
    created: list[str] = []
    for _ in range(2):
        database = prepared(tmp_path / "s.db", created)
        with database.read():
            pass
        database.close()
    assert created == ["made"]


def test_a_store_of_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path):
    database = prepared(tmp_path / "s.db")
    database.write(lambda tx: tx.execute(sa.text("UPDATE scheduler_version SET version_num = '9999'")))
    database.close()
    newer = prepared(tmp_path / "s.db")
    with pytest.raises(StoreTooNew, match="9999"), newer.read():
        pass
    newer.close()


def test_the_files_of_a_store_are_readable_by_their_owner_alone(tmp_path: Path):
    database = prepared(tmp_path / "folder" / "s.db")
    with database.read():
        modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "folder").iterdir()}
    database.close()
    assert set(modes.values()) == {"0o600"}
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700


def test_a_store_of_the_first_schema_is_brought_up_to_date(tmp_path: Path):
    config = Config()
    config.set_main_option("script_location", "scheduler_app.store:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 's.db'}", poolclass=sa.pool.NullPool)
    with (
        engine.begin() as connection,
        EnvironmentContext(config, scripts, fn=lambda at, _: scripts._upgrade_revs("0001", at)) as environment,
    ):
        environment.configure(connection=connection, version_table=schema.VERSION_TABLE)
        environment.run_migrations()
    database = prepared(tmp_path / "s.db")
    with database.read() as connection:
        assert schema.unknown_version(connection) is None
        assert auditing.missing_structure(connection) == []
    database.close()
