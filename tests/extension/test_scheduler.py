"""The extension inside an app: what it refuses, where an engine starts, what its handles do."""

import os
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from flask_apscheduler import APScheduler

from scheduler_app import Scheduler, current_run, task
from scheduler_app.errors import ConfigurationError, InvalidArguments, TaskNameTaken, UnknownTask, WaitTimeout


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return Flask(__name__, instance_path=str(tmp_path / "instance"))


def test_it_is_a_flask_apscheduler():
    assert issubclass(Scheduler, APScheduler)


def test_setting_up_an_app_opens_no_database_and_starts_no_thread(app: Flask):
    scheduler = Scheduler(app)
    assert not scheduler.running
    assert not Path(app.instance_path).exists()


def test_an_app_given_where_the_parent_wants_a_scheduler_is_taken_as_the_app(app: Flask):
    assert Scheduler(app).app is app


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scheduler(scheduler=BackgroundScheduler()),  # a foreign scheduler
        lambda: Scheduler(BackgroundScheduler()),  # where the parent takes it
        lambda: Scheduler(BackgroundScheduler(), Flask("app")),  # and the app after it
    ],
)
def test_a_foreign_scheduler_is_refused(make):
    with pytest.raises(ConfigurationError, match=r"Scheduler\(app\) brings its own"):
        make()


def test_a_function_that_nobody_registered_is_refused_with_what_to_do(app: Flask):
    with pytest.raises(UnknownTask, match=r"@scheduler\.task"):
        Scheduler(app).scheduler.add_job(print)


def test_a_job_that_was_added_tells_all_of_it_and_keeps_what_is_set(app: Flask):
    scheduler = Scheduler(app)

    @scheduler.task
    def send(day: date, copies: int = 1) -> None: ...

    job = scheduler.add_job("a", send, trigger="date", run_date="2040-01-01", kwargs={"day": date(2039, 12, 31)})
    assert (job.id, job.name, job.task, job.func.__name__, job.func_ref) == ("a", "a", "send", "send", "send")
    assert (job.args, job.kwargs) == ((), {"day": date(2039, 12, 31)})
    assert (job.next_run_time, str(job.trigger)) == (
        datetime(2040, 1, 1, tzinfo=UTC),
        "date[2040-01-01 00:00:00 UTC]",
    )
    assert (job.executor, job.coalesce, job.max_instances, job.misfire_grace_time) == ("default", True, 1, None)
    assert (job.state, job.version) == ("active", 1)
    job.kwargs["copies"] = 2
    assert job.kwargs == {"day": date(2039, 12, 31), "copies": 2}
    with pytest.raises(AttributeError, match="nonsense"):
        _ = job.nonsense


def test_two_functions_of_one_name_are_refused_and_both_places_named(app: Flask):
    scheduler = Scheduler(app)

    def first() -> None: ...
    def second() -> None: ...

    scheduler.task(name="same")(first)
    with pytest.raises(TaskNameTaken) as caught:
        scheduler.task(name="same")(second)
    lines = [function.__code__.co_firstlineno for function in (first, second)]
    assert all(f"{__file__}:{line}" in str(caught.value) for line in lines)


def test_the_same_function_twice_is_no_conflict(app: Flask):
    scheduler = Scheduler(app)

    def again() -> None: ...

    assert scheduler.task(again).task.name == scheduler.task(again).task.name


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_retrys": 3}, "did you mean max_retries"),  # a typing error
        ({"timeout": -1}, "timeout"),
        ({"name": "no spaces"}, "no task name"),
    ],
)
def test_a_wrong_task_option_is_told_with_its_place(app: Flask, options, told):
    def nothing() -> None: ...

    with pytest.raises(ConfigurationError, match=told) as caught:
        Scheduler(app).task(**options)(nothing)
    assert __file__ in str(caught.value)


def test_a_parameter_that_cannot_come_from_json_is_refused_when_registered(app: Flask):
    class Unknown: ...

    def wants(it: Unknown) -> None: ...

    with pytest.raises(ConfigurationError, match="JSON"):
        Scheduler(app).task(wants)


def test_delay_gives_a_handle_at_once_and_the_run_happens_later(scheduler, fake_clock):
    @scheduler.task
    def add(a: int, b: int) -> int:
        return a + b

    run = add.delay(1, b=2)
    assert (run.state, run.result) == ("queued", None)
    fake_clock.run_due()
    assert (run.state, run.result) == ("succeeded", 3)
    assert add(1, 2) == 3, "a task is still a function"


def test_arguments_travel_as_json_and_come_back_as_their_types(scheduler, fake_clock):
    seen = []

    @scheduler.task
    def keep(day: date, at: datetime) -> None:
        seen.append((day, at))

    moment = datetime(2026, 5, 1, 12, tzinfo=UTC)
    keep.delay(date(2026, 5, 1), at=moment)
    fake_clock.run_due()
    assert seen == [(date(2026, 5, 1), moment)]


def test_arguments_that_do_not_fit_are_refused_when_the_job_is_added(scheduler, fake_clock):
    @scheduler.task
    def count(n: int) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        count.delay(n="many")
    assert [fault.pointer for fault in caught.value.faults] == ["/kwargs/n"]
    assert scheduler.get_jobs() == []


@pytest.mark.parametrize(
    "value", [object(), float("nan"), "\ud800", "x" * 70_000], ids=["object", "nan", "surrogate", "large"]
)
def test_arguments_that_are_not_json_or_too_large_are_refused(scheduler, fake_clock, value):
    @scheduler.task
    def take(value) -> None: ...

    with pytest.raises(InvalidArguments):
        take.delay(value)


def test_wait_ends_with_an_error_at_its_timeout(scheduler, fake_clock):
    @scheduler.task
    def later() -> None: ...

    with pytest.raises(WaitTimeout):
        later.delay_until(fake_clock.now() + timedelta(seconds=6)).wait(timeout=5)


def test_a_module_level_task_belongs_to_every_scheduler(scheduler, fake_clock):
    @task(name="tests.everywhere")
    def everywhere() -> str:
        return current_run.task

    with pytest.raises(ConfigurationError, match="app_context"):
        everywhere.delay()
    with scheduler.app.app_context():
        run = everywhere.delay()
    fake_clock.run_due()
    assert run.result == "tests.everywhere"


def test_a_factory_may_set_up_an_app_for_each_test(tmp_path: Path):
    scheduler = Scheduler()
    apps = [Flask(f"app{number}", instance_path=str(tmp_path / str(number))) for number in range(2)]
    for app in apps:
        scheduler.init_app(app)

    @scheduler.task
    def nothing() -> None: ...

    with apps[0].app_context():
        scheduler.add_job("only-here", nothing)
        assert scheduler.get_job("only-here") is not None
    with apps[1].app_context():
        assert scheduler.get_job("only-here") is None
    for app in apps:
        app.extensions["scheduler_core"].close()


def test_the_api_is_served_under_the_prefix_with_the_key_beside_the_store(app: Flask):
    scheduler = Scheduler(app)
    client = app.test_client()
    assert client.get("/scheduler/api/v1/tasks").status_code == 401
    scheduler.core.open()
    key = scheduler.core.key_file.read_text().strip()
    assert scheduler.core.key_file.stat().st_mode & 0o777 == 0o600
    answer = client.get("/scheduler/api/v1/jobs", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json["items"]) == (200, [])
    scheduler.core.close()


def test_the_prefix_may_end_with_a_slash(app: Flask):
    app.config["SCHEDULER_API_PREFIX"] = "/back/jobs/"
    assert Scheduler(app).api_prefix == "/back/jobs"
    assert app.test_client().get("/back/jobs/healthz").status_code == 200


def test_the_api_may_be_left_out(app: Flask):
    app.config["SCHEDULER_API_PREFIX"] = None
    Scheduler(app)
    assert app.test_client().get("/scheduler/healthz").status_code == 404


def test_start_and_stop_may_be_called_twice_and_again(app: Flask):
    scheduler = Scheduler(app)

    @scheduler.task
    def one() -> int:
        return 1

    for _ in range(2):
        scheduler.start()
        scheduler.start()
        assert scheduler.running
        assert one.delay().wait(timeout=20).result == 1
        scheduler.shutdown()
        scheduler.shutdown()
        assert not scheduler.running
    scheduler.core.close()


def test_each_loop_of_an_engine_has_one_thread(app: Flask):
    before = set(threading.enumerate())
    scheduler = Scheduler(app)
    scheduler.start()
    names = [thread.name for thread in set(threading.enumerate()) - before]
    scheduler.shutdown()
    scheduler.core.close()
    loops = sorted(name for name in names if not name.startswith("scheduler-slot"))
    assert loops == [
        "APScheduler",  # the pass
        *(
            f"scheduler-{name}"
            for name in ("bookkeeper", "follower", "heartbeat", "listeners", "pruner", "rescuer", "watcher")
        ),
    ]


def test_a_task_may_stop_the_scheduler_without_a_deadlock(app: Flask):
    scheduler = Scheduler(app)

    @scheduler.task
    def use_it() -> int:
        return len(scheduler.get_jobs())

    scheduler.start()
    run = use_it.delay()
    scheduler.shutdown()
    assert run.state in ("succeeded", "queued")
    scheduler.core.close()


PROGRAM = """
from flask import Flask
from scheduler_app import Scheduler
app = Flask(__name__)
scheduler = Scheduler(app)
print("engine", scheduler.running)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("-c", "import app"),
        ("-m", "flask", "routes"),
        ("-m", "flask", "shell"),
        ("-m", "pytest", "--version"),
    ],
    ids=" ".join,
)
def test_no_engine_starts_and_no_store_is_made_where_nothing_is_served(tmp_path: Path, command):
    (tmp_path / "app.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    line = [sys.executable, *command]
    done = subprocess.run(line, cwd=tmp_path, env=environment, input=b"", capture_output=True, timeout=60, check=True)
    assert b"engine True" not in done.stdout
    assert not (tmp_path / "instance").exists()
