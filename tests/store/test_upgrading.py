"""A filled store of every released schema is brought up to date, on both databases, and two versions share a store."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from scheduler_app.errors import StoreTooNew
from scheduler_app.services.audit import audit
from scheduler_app.store import facts, filling, schema
from scheduler_app.store.database import Database
from scheduler_app.store.tables import engines, metadata

TABLES = metadata.sorted_tables


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", "scheduler_app.store:migrations")
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


REVISIONS = sorted(script.revision for script in scripts().walk_revisions())


@pytest.fixture
def empty(request: pytest.FixtureRequest, scheduler_database: str, tmp_path: Path) -> str:
    """A second database of the kind of the first, without a table."""
    if scheduler_database.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'older.db'}"
    return request.getfixturevalue("postgresql").fresh()


@pytest.fixture
def filled(scheduler, fake_clock):
    """A store with jobs, runs, logs, tags and facts in it."""

    @scheduler.task
    def greet(name: str = "you") -> str:
        print("hello", name)
        return name

    scheduler.add_job("hourly", greet, trigger="interval", hours=1, tags=["a", "b"])
    scheduler.add_job("cron", greet, trigger="cron", expression="30 * * * *", timezone="Europe/Berlin")
    greet.delay(name="Ada")
    fake_clock.advance(hours=5)
    scheduler.pause_job("cron")
    return scheduler.core.database


def rows_of(tx: sa.Connection) -> dict[str, list[dict]]:
    """Every row of our tables, but for the facts that tell of the schema itself."""
    found = {table.name: [row._asdict() for row in tx.execute(sa.select(table))] for table in TABLES}
    untold = (schema.FACT, filling.FACT, "plans")
    found["scheduler_facts"] = [row for row in found["scheduler_facts"] if row["name"] not in untold]
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def make_older(url: str, revision: str, rows: dict[str, list[dict]]) -> None:
    """Make the store of an older version, with as much of the rows as that had columns for."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with (
        engine.begin() as tx,
        EnvironmentContext(Config(), scripts(), fn=lambda at, _: scripts()._upgrade_revs(revision, at)) as environment,
    ):
        environment.configure(connection=tx, version_table=schema.VERSION_TABLE)
        environment.run_migrations()
        for table in TABLES:
            if sa.inspect(tx).has_table(table.name):
                known = {column["name"] for column in sa.inspect(tx).get_columns(table.name)}
                kept = [{name: value for name, value in row.items() if name in known} for row in rows[table.name]]
                if kept:
                    tx.execute(sa.table(table.name, *map(sa.column, kept[0])).insert(), kept)
        if tx.dialect.name == "postgresql":
            for name, key in (("jobs", "key"), ("runs", "id"), ("engines", "id")):
                sequence = f"'scheduler_{name}_{key}_seq', (SELECT max({key}) FROM scheduler_{name})"
                tx.execute(sa.text(f"SELECT setval({sequence})"))


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_filled_store_of_every_schema_is_brought_up_to_date_and_loses_nothing(filled, empty, fake_clock, revision):
    with filled.read() as tx:
        before = rows_of(tx)
    make_older(empty, revision, before)
    database = Database(empty, prepare=lambda store: schema.upgrade(store, on_create=lambda _: pytest.fail("new?")))
    with database.read() as tx:
        assert schema.unknown_version(tx) is None
        assert audit(tx, fake_clock.now()).breaches == []
    database.write(lambda tx: tx.execute(engines.update().values(state="stopped")))
    while database.write(lambda tx: filling.step(tx, fake_clock.now())):
        pass
    with database.read() as tx:
        after = rows_of(tx)
        found = audit(tx, fake_clock.now())
        assert (found.breaches, found.books) == ([], None)
    database.close()
    before["scheduler_engines"] = [{**row, "state": "stopped"} for row in before["scheduler_engines"]]
    if revision < "0012":  # how much an engine claims was not told
        before["scheduler_engines"] = [{**row, "lag": None, "claims": None} for row in before["scheduler_engines"]]
    if revision < "0011":  # how late jobs fired was not told, nor whether an engine keeps books
        before |= {"scheduler_lags": [], "scheduler_forecast": [], "scheduler_samples": []}
        before["scheduler_engines"] = [
            {**row, "books": None, "commit_seconds": None} for row in before["scheduler_engines"]
        ]
    if revision < "0007":  # what executors an engine has was not told
        before["scheduler_engines"] = [{**row, "executors": None} for row in before["scheduler_engines"]]
    if revision < "0010":  # nor how a key begins, nor who changed what
        before["scheduler_audit"] = []
        before["scheduler_api_keys"] = [{**row, "prefix": None} for row in before["scheduler_api_keys"]]
    assert after == before


@pytest.mark.parametrize("serves", ["0001", schema.HEAD])
def test_a_store_that_a_newer_version_expanded_is_worked_on(filled, serves):
    newer = {"schema": "9999", "serves": serves}
    filled.write(lambda tx: facts.put(tx, schema.FACT, newer))
    filled.write(lambda tx: tx.execute(sa.text("UPDATE scheduler_version SET version_num = '9999'")))
    filled.close()
    with filled.read() as tx:
        assert rows_of(tx)["scheduler_runs"]
        assert "can work on it" in schema.state(tx)


def test_a_store_that_a_newer_version_has_contracted_is_refused(filled):
    filled.write(lambda tx: facts.put(tx, schema.FACT, {"schema": "9999", "serves": "9998"}))
    filled.write(lambda tx: tx.execute(sa.text("UPDATE scheduler_version SET version_num = '9999'")))
    filled.close()
    with pytest.raises(StoreTooNew, match="9999"), filled.read():
        pass
