"""A store that all tests of a process share is emptied before each, unless somebody works with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.errors import ConfigurationError
from scheduler_app.store import engines
from scheduler_app.store.database import Database
from scheduler_app.store.tables import runs
from scheduler_app.testing import assert_ran, drain, emptied, simulated
from tests.extension.conftest import until


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask(__name__, instance_path=str(tmp_path))
    scheduler = Scheduler(app)

    @scheduler.task("interval", id="hourly", hours=1)
    def tick() -> None: ...

    return app


def count(url: str, table: sa.Table) -> int:
    database = Database(url)
    with database.read() as tx:
        found: int = tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    database.close()
    return found


@pytest.mark.databases
def test_each_test_begins_with_nothing_and_leaves_no_living_engine(app: Flask, scheduler_database: str):
    for _ in range(2):
        with simulated(app, database=emptied(scheduler_database)) as stage:
            tick = stage.core.registry.get("tests.testing.test_emptied:app.tick").name
            stage.clock.advance(hours=2)
            assert_ran(tick, times=2)
            stage.scheduler.pause()
            assert drain() == []
        database = Database(scheduler_database)
        with database.read() as tx:
            assert engines.live(tx) == []
        database.close()
    assert count(scheduler_database, runs) == 2
    assert count(emptied(scheduler_database), runs) == 0


def test_what_is_not_there_yet_is_made_by_the_test(app: Flask, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'new' / 'own.db'}"
    with simulated(app, database=emptied(url)) as stage:
        stage.clock.advance(hours=1)
    assert count(url, runs) == 1


def test_own_tables_in_the_database_stay(app: Flask, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'own.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as tx:
        tx.execute(sa.text("CREATE TABLE customers (name TEXT)"))
        tx.execute(sa.text("INSERT INTO customers VALUES ('me')"))
    with simulated(app, database=url) as stage:
        stage.clock.advance(hours=1)
    emptied(url)
    with engine.begin() as tx:
        assert tx.execute(sa.text("SELECT name FROM customers")).scalars().all() == ["me"]
    engine.dispose()


@pytest.mark.slow
def test_a_store_that_an_engine_works_on_is_not_emptied(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'scheduler.db'}"
    command = [Path(sys.executable).parent / "scheduler-app", "worker", "--database", url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCHEDULER_")}
    worker = subprocess.Popen([*command, "--data", tmp_path], env=environment, stderr=subprocess.DEVNULL)
    try:
        until(lambda: (tmp_path / "scheduler.db").exists() and _has_engine(url))
        with pytest.raises(ConfigurationError, match=rf"process {worker.pid} on .* has an engine on it"):
            emptied(url)
    finally:
        worker.kill()
        worker.wait()
    assert emptied(url) == url


def _has_engine(url: str) -> bool:
    database = Database(url)
    try:
        with database.read() as tx:
            return sa.inspect(tx).has_table("scheduler_engines") and bool(engines.live(tx))
    finally:
        database.close()
