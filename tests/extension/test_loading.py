"""What a process does not need for its first run is not loaded before it, and what answers requests right after it."""

import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.extension.autostart import load_soon
from scheduler_app.extension.core import API
from tests.extension.conftest import until

APP = """
import os; from flask import Flask; from scheduler_app import Scheduler
s = Scheduler(Flask('shop', instance_path=os.getcwd()))
"""
HELP = "sys.argv[1:] = ['--help']; from scheduler_app.cli import cli; cli(standalone_mode=False)"
ANSWERING = {"alembic", "flask_openapi", "gunicorn", "scheduler_app.dashboard", "scheduler_app.schemas.job"}


@pytest.mark.parametrize(("code", "unneeded"), [(APP, ANSWERING), (HELP, {"flask", "pydantic", "sqlalchemy"})])
def test_a_process_loads_only_what_it_begins_with(tmp_path: Path, code: str, unneeded: set[str]):
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    assert unneeded & {*done.stdout.split()} == set()


@pytest.mark.parametrize(
    ("before", "frozen"), [("", True), ("gc.disable()", False), ("gc.freeze(); n = count()", False)]
)
def test_an_engine_lets_the_collector_be_done_with_what_is_loaded_unless_that_is_set_up(
    tmp_path: Path, before: str, frozen: bool
):
    program = (
        f"import gc; count, n = gc.get_freeze_count, 0\n{before}\n{APP}\ns.start(); print(count() > n); s.shutdown()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.stdout, done.returncode) == (f"{frozen}\n", 0), done.stderr


def test_where_requests_are_served_what_answers_them_is_there_before_the_first(tmp_path: Path):
    app = Flask(__name__, instance_path=str(tmp_path))
    scheduler = Scheduler(app)
    scheduler.start()
    load_soon(scheduler.core.engine, scheduler.core.clock)
    until(lambda: app.extensions[API].is_built)
    assert app.test_client().get("/scheduler/healthz").status_code == 200
    scheduler.shutdown()
    scheduler.core.close()
