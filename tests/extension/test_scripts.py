"""An app that is a script, `python app.py`: each start says the same, and the reloader's parent has no engine."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.extension.autostart import leave_to_reloaded
from tests.extension.conftest import until

SCRIPT = """
from apscheduler.jobstores.base import ConflictingIdError
from flask import Flask
from scheduler_app import Scheduler

def tick():
    pass

if __name__ == "__main__":
    app = Flask(__name__, instance_path={instance!r})
    scheduler = Scheduler(app)
    scheduler.add_job("tick", tick, trigger="interval", hours=1)
    scheduler.add_job("tock", "{name}:tick", trigger="interval", hours=1)
    try:
        scheduler.add_job("tick", tick, trigger="interval", hours=2)
    except ConflictingIdError:
        print("taken")
    print(*[(job.id, job.func_ref, str(job.next_run_time)) for job in scheduler.get_jobs()])
    print(scheduler.core.desk.declared.app, [said.place for said in scheduler.core.desk.declared.said])
    scheduler.core.close()
"""


@pytest.mark.slow
def test_a_script_that_adds_its_jobs_at_each_start_finds_no_id_taken_and_moves_nothing(tmp_path: Path):
    (tmp_path / "shop.py").write_text(SCRIPT.format(instance=str(tmp_path / "instance"), name="shop"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCHEDULER_")}
    said = set()
    for _ in range(2):
        line = [sys.executable, "shop.py"]
        done = subprocess.run(
            line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90, check=True
        )
        said.add(done.stdout)
    (told,) = said
    assert told.count("'shop:tick'") == 2
    assert told.splitlines()[0] == "taken", "a second time in one start is a mistake"
    assert told.splitlines()[2] == "shop ['shop.py:12', 'shop.py:13']"


IMPORTED = """
from flask import Flask
from scheduler_app import Scheduler

def tick():
    pass

app = Flask(__name__, instance_path={instance!r})
scheduler = Scheduler(app)
scheduler.add_job("tick", tick, trigger="interval", hours=1)
"""


def test_a_module_that_adds_its_jobs_may_be_imported_by_any_program_as_often_as_it_likes(tmp_path: Path, monkeypatch):
    instance = tmp_path / "instance"
    (tmp_path / "imported_shop.py").write_text(IMPORTED.format(instance=str(instance)))
    monkeypatch.syspath_prepend(tmp_path)
    seen = set()
    for _ in range(2):
        there = instance.exists()
        module = importlib.import_module("imported_shop")
        assert instance.exists() == there, "importing an app opens no store"
        seen.add(tuple((job.id, job.next_run_time) for job in module.scheduler.get_jobs()))
        module.scheduler.core.close()
        monkeypatch.delitem(sys.modules, "imported_shop")
    assert len(seen) == 1


def test_the_engine_of_the_process_that_only_reloads_is_stopped(tmp_path: Path):
    scheduler = Scheduler(Flask(__name__, instance_path=str(tmp_path)))
    scheduler.start()
    leave_to_reloaded(scheduler.core.engine, scheduler.core.clock)
    reloader = {"__name__": "werkzeug._reloader"}
    exec("def restart_with_reloader(wait):\n    wait()", reloader)
    reloader["restart_with_reloader"](lambda: until(lambda: not scheduler.running))
    scheduler.core.close()
