"""Moving in: the jobs of APScheduler's own SQL store are taken over, each is told of, and none is twice."""

import os
import pickle
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.pool import NullPool

from scheduler_app.app import create_app
from scheduler_app.aps.moving import fitting_id
from scheduler_app.domain.job import is_job_id
from scheduler_app.settings import Settings
from scheduler_app.store.jobs import JobFilter
from scheduler_app.store.orders import page
from tests.aps import work

NEXT_YEAR = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)
pytestmark = pytest.mark.slow
TASKS = """
import tests.aps.work
from scheduler_app import task

task(name="work.note")(tests.aps.work.note)
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder, in whose store an APScheduler has left jobs."""
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "mine.py").write_text(TASKS)
    fill(folder / "scheduler.db")
    return folder


def fill(path: Path) -> None:
    # its shutdown forgets a connection that its thread has in use
    store = SQLAlchemyJobStore(url=f"sqlite:///{path}", engine_options={"poolclass": NullPool})
    scheduler = BackgroundScheduler(jobstores={"default": store}, timezone="Europe/Berlin")
    scheduler.start(paused=True)
    policies = {"max_instances": 3, "misfire_grace_time": 60, "coalesce": False}
    scheduler.add_job(work.note, "interval", hours=5, id="every", args=[1], next_run_time=NEXT_YEAR, **policies)
    scheduler.add_job(work.note, "cron", hour=9, id="paused", name="At nine", next_run_time=None)
    scheduler.add_job(work.on_day, "interval", hours=5, id="stranger", args=["2030-01-01"])
    scheduler.add_job(work.note, "interval", hours=5, id="not-json", args=[{1, 2}])
    scheduler.add_job(work.note, "interval", hours=5, id="Nightly report #1!")
    scheduler.add_job(work.note, "interval", hours=5, id="Nightly/report #1?", name="Mine")
    scheduler.shutdown()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO apscheduler_jobs VALUES ('torn', 1.0, x'80')")
        connection.execute("INSERT INTO apscheduler_jobs VALUES ('odd', 1.0, ?)", (pickle.dumps({"func": "a:b"}),))
    connection.close()


def run(data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = ["import-apscheduler", f"sqlite:///{data / 'scheduler.db'}", "--data", str(data), *more]
    root = str(Path(__file__).parent.parent.parent)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCHEDULER_")}
    return subprocess.run(
        [sys.executable, "-m", "scheduler_app", *words],
        cwd=data.parent,
        env=environment | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def jobs_in(data: Path) -> dict[str, object]:
    core = create_app(Settings(data=data, demo=False, engine="off")).extensions["scheduler_core"]
    with core.database.read() as tx:
        found = {job.id: job for job, _ in page(tx, JobFilter(), after=None, limit=100)}
    core.close()
    return found


def test_what_can_be_is_taken_over_and_each_job_is_told_of(data: Path):
    done = run(data, "--trust-pickle", "--tasks", "mine.py")
    assert done.returncode == 0, done.stderr
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines()[:-1])
    assert told["every"].startswith("taken over: task work.note, fires next at ")
    assert told["paused"] == "taken over: task work.note, paused"
    assert "tests.aps.work:on_day is not registered" in told["stranger"]
    assert "kept as JSON" in told["not-json"]
    assert "cannot be read" in told["torn"]
    assert told["odd"].startswith("left: ")
    assert done.stdout.splitlines()[-1] == "4 taken over, 0 already here, 4 left"
    every, paused = (jobs_in(data)[name] for name in ("every", "paused"))
    assert (every.next_run_time, every.args, every.state) == (NEXT_YEAR, [1], "active")
    assert (every.trigger["type"], every.trigger["timezone"]) == ("interval", "Europe/Berlin")
    assert (every.policies.max_instances, every.policies.misfire_grace_time, every.policies.coalesce) == (3, 60, False)
    assert (paused.name, paused.state, paused.trigger["hour"]) == ("At nine", "paused", "9")


def test_a_job_whose_id_cannot_be_kept_has_one_that_fits_and_its_name_says_which_it_was(data: Path):
    done = run(data, "--trust-pickle", "--tasks", "mine.py")
    first, second = (fitting_id(theirs) for theirs in ("Nightly report #1!", "Nightly/report #1?"))
    assert (first[:-12], second[:-12]) == ("Nightly-report-1-", "Nightly-report-1-")
    assert first != second
    found = jobs_in(data)
    assert (found[first].name, found[second].name) == ("Nightly report #1!", "Mine (Nightly/report #1?)")
    assert f"Nightly report #1!: taken over: as the id {first}, since" in done.stdout


@pytest.mark.parametrize("theirs", ["", " ", "日本", "-x", "a" * 500, "\ud800", "a/b", "\n"])
def test_every_id_has_one_that_fits_and_always_the_same(theirs: str):
    assert is_job_id(fitting_id(theirs))
    assert fitting_id(theirs) == fitting_id(theirs)


def test_a_second_time_changes_nothing(data: Path):
    run(data, "--trust-pickle", "--tasks", "mine.py")
    before = jobs_in(data)
    done = run(data, "--trust-pickle", "--tasks", "mine.py")
    assert "every: already here: it was taken over before" in done.stdout
    assert done.stdout.splitlines()[-1] == "0 taken over, 4 already here, 4 left"
    assert jobs_in(data) == before


def test_the_packages_of_task_modules_are_known_too(data: Path):
    (data.parent / "settings.toml").write_text('task_modules = ["tests.aps"]\n')
    done = run(data, "--trust-pickle", "--config", "settings.toml")
    assert "stranger: taken over: task tests.aps.work:on_day" in done.stdout


def test_nothing_is_read_without_trust(data: Path):
    done = run(data, "--tasks", "mine.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--trust-pickle" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--table", "other"), "there is no table 'other'; tables are: apscheduler_jobs"),
        (("--tasks", "nothing.py"), "there is no such file"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(data: Path, words, told):
    done = run(data, "--trust-pickle", *words)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert told in done.stderr


def test_it_is_refused_while_an_engine_works_on_the_store(data: Path):
    core = create_app(Settings(data=data, demo=False, engine="off")).extensions["scheduler_core"]
    core.engine.registered()
    done = run(data, "--trust-pickle", "--tasks", "mine.py")
    core.close()
    assert done.returncode == 1
    assert f"process {os.getpid()}" in done.stderr


def test_what_an_apscheduler_left_is_named_at_the_start_once_and_with_the_command(data: Path, caplog):
    core = create_app(Settings(data=data, demo=False, engine="off")).extensions["scheduler_core"]
    for _ in range(2):
        core.engine.ctx.upkeep()
    core.close()
    told = [record.message for record in caplog.records if "apscheduler_jobs" in record.message]
    assert len(told) == 1
    assert told[0].startswith("8 jobs of APScheduler")
    assert "scheduler-app import-apscheduler sqlite:///" in told[0]


def test_the_store_that_is_read_is_not_written(data: Path):
    before = table(data / "scheduler.db")
    run(data, "--trust-pickle", "--tasks", "mine.py")
    assert table(data / "scheduler.db") == before


def table(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT * FROM apscheduler_jobs ORDER BY id").fetchall()
    connection.close()
    return found
