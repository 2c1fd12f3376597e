"""A user's own Celery app carries our runs beside its own tasks; without a broker nothing names the executor."""

import os
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.broker.guest import GuestExecution
from scheduler_app.broker.publisher import store_id
from scheduler_app.errors import InvalidInput
from scheduler_app.store.outbox import Message
from tests.broker import celery_functions
from tests.service.harness import wait_until
from tests.valkey import Valkey

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_its_workers_execute_our_runs_and_its_own_tasks(broker: Valkey, tmp_path: Path):
    with broker.client as client:
        client.flushall()
    env = {**os.environ, "BROKER": broker.url, "INSTANCE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    env["PYTHONWARNINGS"] = "ignore"
    web = textwrap.dedent("""
        from tests.broker.celery_app import add, app, own, scheduler
        scheduler.start()
        with app.app_context():
            run = add.delay(1, 2)
        own.delay(7)
        print(run.wait(30).result, flush=True)
        scheduler.shutdown()
    """)
    log = tmp_path / "worker.log"
    words = [sys.executable, "-m", "celery", "-A", "tests.broker.celery_app:celery", "worker", "-c", "1", "-l", "INFO"]
    with log.open("wb") as out:
        worker = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        done = subprocess.run(
            [sys.executable, "-c", web], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stdout == "3\n", done.stdout + done.stderr + log.read_text()
        wait_until(lambda: "own 7" in log.read_text(), within=10.0, what="the user's own task")
        assert _engines(tmp_path / "scheduler.db") == 1
        worker.terminate()
        assert worker.wait(20.0) == 0
    finally:
        worker.kill()
        worker.wait()


def _engines(store: Path) -> int:
    """How many engines have begun in processes of Celery's."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT count(*) FROM scheduler_engines WHERE executors LIKE '%celery%'").fetchone()
    return int(found[0])


@pytest.fixture
def unbrokered(tmp_path: Path):
    """An app without a broker."""
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config["SCHEDULER_ENGINE"] = "off"
    scheduler = Scheduler(app)
    yield scheduler
    scheduler.core.close()


def test_without_a_broker_no_job_may_name_the_executor(unbrokered: Scheduler):
    add = unbrokered.task(celery_functions.add)
    with pytest.raises(InvalidInput, match="there is no broker; set SCHEDULER_BROKER"):
        unbrokered.add_job("a", add, args=[1], executor="celery")


def test_a_function_that_no_other_process_imports_is_refused(unbrokered: Scheduler):
    def local() -> None: ...

    with pytest.raises(Exception, match="defined inside a function, which no worker process can import"):
        unbrokered.task(executor="celery")(local)


def test_who_attends_is_released_by_a_stop_that_settles_in_its_place(tmp_path: Path):
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config |= {"SCHEDULER_ENGINE": "off", "SCHEDULER_BROKER": "redis://127.0.0.1:1/0"}
    scheduler = Scheduler(app)
    core = scheduler.core
    run = scheduler.task(executor="celery")(celery_functions.add).delay(1)
    guest = core.distribution.guest(core.engine.ctx)
    guest.start()
    settle = guest._settle

    def stopped_in_between(execution: GuestExecution) -> None:
        guest.stop()
        settle(execution)

    guest._settle = stopped_in_between
    guest.attend(Message(run_id=run.id, task="", attempt=1, timeout=None), core.database.write(store_id))
    assert (run.state, run.run.attempt) == ("succeeded", 1)
    core.close()
