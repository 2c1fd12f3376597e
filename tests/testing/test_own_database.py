"""While the clock moves, a task finds the store as it is: through its Scheduler, and in the user's own database too."""

import sqlite3
from contextlib import closing

import pytest
from flask import Flask

from scheduler_app import Scheduler, current_run
from scheduler_app.services import runs
from scheduler_app.testing.stage import simulated


@pytest.fixture
def app(tmp_path):
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config["SCHEDULER_ENGINE"] = "off"
    Scheduler(app)
    return app


def test_a_task_writes_to_the_users_own_database_that_is_the_store_as_well(app, tmp_path):
    path = tmp_path / "own.db"
    with simulated(app, database=f"sqlite:///{path}") as stage:
        with closing(sqlite3.connect(path)) as own:
            own.execute("CREATE TABLE seen (state)")

        @stage.scheduler.task
        def look() -> None:
            with closing(sqlite3.connect(path, timeout=0)) as own, own:
                state = "SELECT state FROM scheduler_runs WHERE id = ?"
                own.execute(f"INSERT INTO seen {state}", [current_run.id])

        stage.scheduler.add_job("job", look, trigger="interval", minutes=1)
        stage.clock.advance(minutes=3)
        with closing(sqlite3.connect(path)) as own:
            assert own.execute("SELECT state FROM seen").fetchall() == [("running",)] * 3


def test_a_task_finds_itself_running_and_the_one_before_ended(app):
    states: list[list[str]] = []
    with simulated(app) as stage:

        @stage.scheduler.task
        def look() -> None:
            known = range(1, current_run.id + 1)
            states.append([runs.get_run(number, ctx=stage.core.ctx).state for number in known])

        stage.scheduler.add_job("job", look, trigger="interval", minutes=1)
        stage.clock.advance(minutes=2)
        assert runs.get_run(2, ctx=stage.core.ctx).state == "succeeded"
    assert states == [["running"], ["succeeded", "running"]]
