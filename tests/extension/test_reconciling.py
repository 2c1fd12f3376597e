"""What the code declares meets what the store has, at each start: the code owns the trigger, people own the pause."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from scheduler_app import Scheduler
from scheduler_app.errors import ConfigurationError, JobDeclared, UnknownTask
from scheduler_app.extension.scheduler import CORE
from scheduler_app.services.jobs import delete_job
from tests.extension.conftest import until

Declare = Callable[[Scheduler], object]


def again() -> None: ...


def other() -> None: ...


def every(job_id: str = "a", minutes: int = 10, function: Callable[[], None] = again, **more: Any) -> Declare:
    """Declare a job as a decorator does."""

    def declare(scheduler: Scheduler) -> None:
        scheduler.task("interval", id=job_id, minutes=minutes, **more)(function)

    return declare


def made(path: Path, *declares: Declare, name: str = "shop", **config: Any) -> Scheduler:
    """A program as it is at one start; none of its engines runs yet."""
    scheduler = Scheduler()
    for declare in declares:
        declare(scheduler)
    app = Flask(name, instance_path=str(path), root_path=str(path))
    app.config |= {"SCHEDULER_DATABASE": f"sqlite:///{path / 'jobs.db'}", "SCHEDULER_TIMEZONE": "UTC", **config}
    scheduler.init_app(app)
    return scheduler


@contextmanager
def started(path: Path, *declares: Declare, **how: Any) -> Iterator[Scheduler]:
    """A program whose engine has started, until the block ends."""
    scheduler = made(path, *declares, **how)
    scheduler.start()
    until(lambda: scheduler.core.engine.meter.passed_at)
    try:
        yield scheduler
    finally:
        scheduler.core.close()


def ids(scheduler: Scheduler) -> list[str]:
    return sorted(job.id for job in scheduler.get_jobs())


@pytest.mark.slow
def test_forty_starts_move_no_interval_end_no_pause_and_write_nothing(tmp_path: Path):
    program = (every("a"), every("b", 7), every("c", 60, other))
    with started(tmp_path, *program) as scheduler:
        scheduler.pause_job("b")
        before = {job.id: (job.next_run_time, job.state, job.version, job.created_at) for job in scheduler.get_jobs()}
    for _ in range(40):
        with started(tmp_path, *program) as scheduler:
            pass
    after = {job.id: (job.next_run_time, job.state, job.version, job.created_at) for job in scheduler.get_jobs()}
    scheduler.core.close()
    assert after == before
    assert [state for _, state, _, _ in after.values()].count("paused") == 1


def test_a_job_that_is_declared_no_more_is_removed_at_the_next_start_and_its_history_stays(tmp_path: Path):
    with started(tmp_path, every("a"), every("b")) as scheduler:
        run = scheduler.run_job("b")
        run.wait(timeout=20)
        scheduler.add_job("by-hand", scheduler.get_job("a").func_ref, trigger="interval", minutes=1)
    with started(tmp_path, every("a")) as scheduler:
        assert ids(scheduler) == ["a", "by-hand"], "what was not declared is nobody's to remove"
        assert run.run.state == "succeeded"
    with started(tmp_path) as scheduler:
        assert ids(scheduler) == ["by-hand"]


def test_a_process_without_an_engine_adds_and_changes_but_removes_nothing(tmp_path: Path):
    with started(tmp_path, every("a"), every("b")):
        pass
    scheduler = made(tmp_path, every("a", 20), every("c"))
    assert ids(scheduler) == ["a", "b", "c"]
    assert scheduler.get_job("a").trigger.interval == timedelta(minutes=20)
    scheduler.core.close()


def test_another_content_keeps_the_phase_of_an_interval(tmp_path: Path):
    with started(tmp_path, every(args=[])) as scheduler:
        before = scheduler.get_job("a").next_run_time
    with started(tmp_path, every(args=[], max_retries=3, name="again")) as scheduler:
        job = scheduler.get_job("a")
        assert (job.next_run_time, job.policies.max_retries, job.name) == (before, 3, "again")


def test_what_people_changed_stays_until_the_code_changes_it(tmp_path: Path):
    with started(tmp_path, every(max_retries=1, priority=1)) as scheduler:
        scheduler.modify_job("a", max_retries=7)
    with started(tmp_path, every(max_retries=1, priority=1)) as scheduler:
        assert scheduler.get_job("a").policies.max_retries == 7
    with started(tmp_path, every(max_retries=2, priority=1)) as scheduler:
        assert scheduler.get_job("a").policies.max_retries == 2


def test_python_may_change_a_declared_trigger_until_the_next_start(tmp_path: Path):
    with started(tmp_path, every()) as scheduler:
        scheduler.reschedule_job("a", trigger="interval", minutes=3)
        scheduler.remove_job("a")
    with started(tmp_path, every()) as scheduler:
        assert scheduler.get_job("a").trigger.interval == timedelta(minutes=10)


def test_of_two_versions_side_by_side_the_newer_is_followed_whichever_starts_last(tmp_path: Path):
    old, new = (every("a", 10), every("gone")), (every("a", 20), every("fresh"))
    with started(tmp_path, *old) as first:
        with started(tmp_path, *new) as second:
            assert ids(second) == ["a", "fresh", "gone"], "the old version still has it"
            first.shutdown()
            with started(tmp_path, *old) as straggler:
                assert straggler.get_job("a").trigger.interval == timedelta(minutes=20), "it undoes nothing"
        with started(tmp_path, *new) as third:
            assert ids(third) == ["a", "fresh"]


def test_an_old_version_that_is_alone_again_is_followed(tmp_path: Path):
    for minutes in (10, 20, 10):
        with started(tmp_path, every("a", minutes)) as scheduler:
            assert scheduler.get_job("a").trigger.interval == timedelta(minutes=minutes)


@pytest.mark.slow
def test_what_waits_for_another_version_is_done_when_that_is_gone(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("scheduler_app.aps.declarations.AGAIN_AFTER", 0.1)
    with started(tmp_path, every("a"), every("b")) as old, started(tmp_path, every("a")) as new:
        assert ids(new) == ["a", "b"]
        old.shutdown()
        until(lambda: ids(new) == ["a"], 10)


def test_apps_of_other_names_leave_each_others_jobs_alone(tmp_path: Path, caplog):
    with started(tmp_path, every("a"), name="shop"), started(tmp_path, name="admin") as admin:
        assert ids(admin) == ["a"]
        with started(tmp_path, every("a", 30), every("c"), name="third") as third:
            assert ids(third) == ["a", "c"]
            assert third.get_job("a").trigger.interval == timedelta(minutes=10)
    assert "app 'shop' declares a job of this id too" in caplog.text
    with started(tmp_path, every("a", 30), name="renamed") as renamed:
        assert renamed.get_job("a").trigger.interval == timedelta(minutes=30), "the other one is gone"
    with started(tmp_path, name="mine", SCHEDULER_APP_NAME="renamed") as scheduler:
        assert ids(scheduler) == ["c"], "the setting names the app"


def test_a_declaration_that_is_wrong_now_keeps_the_job_as_it_was(tmp_path: Path, caplog):
    with started(tmp_path, every()):
        pass
    with started(tmp_path, every(max_retrys=1)) as scheduler:
        assert scheduler.get_job("a").trigger.interval == timedelta(minutes=10)
    assert "max_retries" in caplog.text


def test_a_declared_date_that_is_over_and_forgotten_does_not_run_again(tmp_path: Path):
    def once(scheduler: Scheduler) -> None:
        scheduler.task("date", id="once", run_date="2020-01-01T00:00:00+00:00")(again)

    with started(tmp_path, once) as scheduler:
        until(lambda: scheduler.get_job("once").state == "finished")
        scheduler.remove_job("once")
    with started(tmp_path, once) as scheduler:
        assert scheduler.get_job("once") is None


@pytest.fixture
def client(tmp_path: Path) -> Iterator[tuple[FlaskClient, dict[str, str]]]:
    """A client of an app that declares `a` and `SCHEDULER_JOBS[1]`, and its key."""
    listed = [{"id": f"listed-{n}", "func": again, "trigger": "cron", "hour": n} for n in range(2)]
    more = {"SCHEDULER_API_ENABLED": True, "SCHEDULER_TASK_MODULES": "tests.extension", "SCHEDULER_JOBS": listed}
    scheduler = made(tmp_path, every(), **more)
    scheduler.core.open()
    key = scheduler.core.key_file.read_text().strip()
    yield scheduler.app.test_client(), {"Authorization": f"Bearer {key}"}
    scheduler.core.close()


V1 = "/scheduler/api/v1/jobs"
CRON = {"type": "cron", "expression": "0 5 * * *", "timezone": "UTC"}
REFUSED: dict[str, tuple[str, str, Any]] = {
    "PATCH trigger": ("PATCH", f"{V1}/a", {"trigger": {"minutes": 3}}),
    "PATCH another trigger": ("PATCH", f"{V1}/a", {"trigger": CRON}),
    "PUT": ("PUT", f"{V1}/a", {"task": "tests.extension.test_reconciling:again", "trigger": CRON}),
    "DELETE": ("DELETE", f"{V1}/a", None),
    "legacy PATCH": ("PATCH", "/scheduler/jobs/a", {"trigger": "interval", "minutes": 3}),
    "legacy PATCH of a field": ("PATCH", "/scheduler/jobs/a", {"minutes": 3}),
    "legacy PATCH func": ("PATCH", "/scheduler/jobs/a", {"func": "tests.extension.test_reconciling:other"}),
    "legacy POST": (
        "POST",
        "/scheduler/jobs",
        {"id": "a", "func": "tests.extension.test_reconciling:other", "trigger": "date", "replace_existing": True},
    ),
    "legacy DELETE": ("DELETE", "/scheduler/jobs/a", None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_code_owns_is_refused_over_http_with_its_place(client, name: str):
    http, key = client
    http.get(V1, headers=key)
    before = http.get(f"{V1}/a", headers=key).json
    method, path, body = REFUSED[name]
    answer = http.open(path, method=method, json=body, headers=key)
    assert (answer.status_code, answer.json["code"]) == (409, "declared_in_code"), answer.text
    line = every().__code__.co_firstlineno + 1
    assert f"job 'a' is declared in code, at tests/extension/test_reconciling.py:{line}" in answer.json["detail"]
    assert http.get(f"{V1}/a", headers=key).json == before


def test_what_people_own_is_theirs_over_http(client):
    http, key = client
    assert http.post(f"{V1}/a/pause", headers=key).json["state"] == "paused"
    assert http.post(f"{V1}/a/skip", headers=key, json={"count": 2}).status_code == 200
    assert http.post(f"{V1}/a/run", headers=key).status_code == 202
    changed = http.patch(f"{V1}/a", headers=key, json={"max_retries": 4, "name": "mine"}).json
    assert (changed["max_retries"], changed["name"]) == (4, "mine")
    same = {"task": changed["task"], "trigger": changed["trigger"], "tags": ["put"]}
    assert http.put(f"{V1}/a", headers=key, json=same).json["tags"] == ["put"], "a trigger that says the same"
    refused = http.patch(f"{V1}/listed-1", headers=key, json={"trigger": CRON}).json
    assert "at SCHEDULER_JOBS[1]" in refused["detail"]
    assert refused["errors"][0]["pointer"] == "/trigger"
    acted = http.post(f"{V1}/actions", headers=key, json={"action": "delete", "ids": ["a"]}).json
    assert acted["items"][0]["problem"]["code"] == "declared_in_code"


def test_a_factory_that_declares_for_each_of_its_apps_is_no_conflict(tmp_path: Path):
    scheduler = Scheduler()
    apps = []
    for number in (5, 7):
        every("a", number)(scheduler)
        app = Flask("shop", instance_path=str(tmp_path), root_path=str(tmp_path))
        app.config["SCHEDULER_DATABASE"] = f"sqlite:///{tmp_path / f'{number}.db'}"
        scheduler.init_app(app)
        with app.app_context():
            assert scheduler.get_job("a").trigger.interval == timedelta(minutes=number)
        apps.append(app)
    for app in apps:
        app.extensions[CORE].close()


def diffed(scheduler: Scheduler, *options: str) -> tuple[str, int]:
    """What `flask scheduler jobs diff` prints, and its exit status."""
    runner = scheduler.app.test_cli_runner()
    done = runner.invoke(args=["scheduler", "jobs", "diff", *options])
    return done.output, done.exit_code


def test_diff_tells_what_a_start_would_change_and_makes_and_writes_nothing(tmp_path: Path):
    empty = made(tmp_path, every("a"), every("b"))
    said, status = diffed(empty, "--exit-code")
    assert (said.count("+ "), status) == (2, 1)
    assert not (tmp_path / "jobs.db").exists()
    with started(tmp_path, every("a"), every("b")) as scheduler:
        assert diffed(scheduler, "--exit-code") == ("a start changes nothing\n", 0)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    changed = made(tmp_path, every("a", 20, max_retries=3), every("c", function=other), every("bad", minuts=1))
    said, status = diffed(changed, "--exit-code")
    lines = said.splitlines()
    assert lines[0].startswith("~ a: trigger every 10 minutes")
    assert "→ every 20 minutes" in lines[0]
    assert "overrides {} → {'max_retries': 3}" in lines[0]
    assert [line[:4] for line in lines[1:]] == ["+ c:", "- b", "! ba"]
    assert (status, diffed(changed)[1]) == (1, 0)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert changed.app.extensions[CORE].engine.id is None


def test_diff_of_a_store_that_cannot_be_read_exits_with_two(tmp_path: Path):
    (tmp_path / "jobs.db").write_text("this is no database, and long enough to be taken for a damaged one" * 20)
    said, status = diffed(made(tmp_path, every()))
    assert status == 2
    assert said.startswith("flask scheduler: ")


@pytest.mark.databases
def test_what_is_declared_is_reconciled_on_every_database(tmp_path: Path, scheduler_database: str):
    where = {"SCHEDULER_DATABASE": scheduler_database}
    with started(tmp_path, every("a"), every("b"), **where) as scheduler:
        assert diffed(scheduler) == ("a start changes nothing\n", 0)
    with started(tmp_path, every("a", 20), **where) as scheduler:
        assert ids(scheduler) == ["a"]
        with pytest.raises(JobDeclared, match=r"test_reconciling\.py"):
            delete_job("a", ctx=scheduler.core.ctx)


def loaded(path: Path, load: Callable[[Scheduler], object], monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    """A program that says something while a server loads its app."""
    scheduler = made(path, SCHEDULER_TASK_MODULES="tests.extension")
    with monkeypatch.context() as patched:
        patched.setattr("scheduler_app.extension.scheduler.is_loading", lambda: True)
        load(scheduler)
        scheduler.start()
        assert scheduler.core.engine.id is None, "the server starts it"
    return scheduler


def test_what_is_added_while_the_app_is_loaded_is_declared_and_no_start_finds_its_id_taken(tmp_path, monkeypatch):
    def add(scheduler: Scheduler) -> None:
        job = scheduler.add_job("a", again, trigger="interval", minutes=10)
        assert (job.id, job.trigger.interval) == ("a", timedelta(minutes=10))
        with pytest.raises(ConfigurationError, match="needs an id"):
            scheduler.add_job(func=again, trigger="interval", minutes=10)

    times = set()
    for start in range(3):
        scheduler = loaded(tmp_path, add, monkeypatch)
        assert (tmp_path / "jobs.db").exists() is bool(start), "loading opens no store"
        scheduler.start()
        times.add(until(lambda scheduler=scheduler: scheduler.get_job("a")).next_run_time)
        scheduler.core.close()
    assert len(times) == 1


def test_code_that_adds_what_is_not_there_keeps_what_it_finds(tmp_path: Path, monkeypatch):
    def add(scheduler: Scheduler) -> None:
        if scheduler.get_job("a") is None:
            scheduler.add_job("a", again, trigger="interval", minutes=10)

    for _ in range(3):
        scheduler = loaded(tmp_path, add, monkeypatch)
        scheduler.start()
        until(lambda scheduler=scheduler: scheduler.core.engine.meter.passed_at)
        assert ids(scheduler) == ["a"]
        scheduler.core.close()


def test_bare_functions_of_the_apps_folder_are_tasks_and_are_found_again_after_a_restart(tmp_path: Path, monkeypatch):
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text("def work():\n    return 'done'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with started(tmp_path) as scheduler:
        scheduler.add_job("own", importlib.import_module(name).work, trigger="interval", minutes=10)
        with pytest.raises(UnknownTask):
            scheduler.add_job("other", json.dumps, trigger="interval", minutes=10)
    sys.modules.pop(name)
    with started(tmp_path) as scheduler:
        assert scheduler.run_job("own").wait(timeout=20).result == "done"
    sys.modules.pop(name)


@pytest.mark.parametrize("number", range(5))
def test_what_is_removed_right_after_a_start_comes_back_at_the_next_and_not_before(tmp_path: Path, number: int):
    app = Flask(__name__, instance_path=str(tmp_path))
    scheduler = Scheduler()

    @scheduler.task("interval", hours=1, id="often")
    def often() -> None: ...

    scheduler.init_app(app)
    scheduler.start()
    scheduler.remove_job("often")
    until(lambda: scheduler.core.engine.meter.passed_at is not None)
    assert scheduler.get_job("often") is None
    scheduler.shutdown()
    scheduler.start()
    until(lambda: scheduler.get_job("often") is not None)
    scheduler.shutdown()
