"""Which tasks may run in a process, and how a worker process knows where the app comes from."""

import sys
from types import ModuleType

import httpx
import pytest
from flask import Flask, current_app

from scheduler_app import Scheduler
from scheduler_app.errors import ConfigurationError, InvalidInput
from scheduler_app.extension.origin import Origin, whence
from scheduler_app.settings import Settings
from tests.extension.conftest import until


def at_the_top() -> None:
    pass


def test_a_task_that_stands_inside_a_function_is_refused_where_it_is_registered(app: Flask) -> None:
    scheduler = app.extensions["scheduler"]

    def inside() -> None:
        pass

    with pytest.raises(ConfigurationError, match=r"test_process_tasks.py:\d+: task inside: it is defined inside"):
        scheduler.task(executor="process")(inside)
    with pytest.raises(ConfigurationError, match="it is a lambda"):
        scheduler.task(name="short", executor="process")(lambda: None)


def test_a_task_of_the_program_itself_is_refused(app: Flask) -> None:
    function = type(at_the_top)(at_the_top.__code__, {"__name__": "__main__"}, "main_task")
    function.__qualname__ = "main_task"
    with pytest.raises(ConfigurationError, match="in the program that was started"):
        app.extensions["scheduler"].task(executor="process")(function)


def test_a_job_may_not_send_such_a_task_into_a_process(scheduler, fake_clock, nothing_inside) -> None:
    with pytest.raises(InvalidInput, match="task nothing_inside cannot run with executor process") as caught:
        scheduler.add_job("a", nothing_inside, trigger="interval", minutes=1, executor="process")
    assert [fault.pointer for fault in caught.value.faults] == ["/executor"]


@pytest.fixture
def nothing_inside(scheduler):
    @scheduler.task
    def nothing_inside() -> None:
        pass

    return nothing_inside


def test_a_task_with_a_process_needs_an_app_whose_origin_is_known(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("FLASK_APP", raising=False)
    app = Flask("nowhere", instance_path=str(tmp_path))
    scheduler = Scheduler(app)
    with pytest.raises(ConfigurationError, match=r"at_the_top has executor 'process'.*SCHEDULER_APP = 'myapp:create"):
        scheduler.task(executor="process")(at_the_top)
    late = Scheduler()
    late.task(executor="process")(at_the_top)
    with pytest.raises(ConfigurationError, match="SCHEDULER_APP"):
        late.init_app(Flask("nowhere", instance_path=str(tmp_path)))
    named = Flask("nowhere", instance_path=str(tmp_path))
    named.config["SCHEDULER_APP"] = "myapp:create_app"
    late.init_app(named)


def test_the_origin_is_what_is_set_else_what_flask_was_told_else_the_module_that_holds_the_app(monkeypatch) -> None:
    monkeypatch.delenv("FLASK_APP", raising=False)
    module = ModuleType("holds_an_app")
    monkeypatch.setitem(sys.modules, "holds_an_app", module)
    app = Flask("holds_an_app")
    known = whence(app, Settings())
    assert known() is None
    module.web = app
    assert known() == Origin(target="holds_an_app:web")
    monkeypatch.setenv("FLASK_APP", "elsewhere:create_app")
    assert whence(app, Settings())() == Origin(target="elsewhere:create_app")
    assert whence(app, Settings(app="myapp:make"))() == Origin(target="myapp:make")


def test_on_simulated_time_a_process_task_runs_in_the_test_itself(app: Flask, scheduler, fake_clock) -> None:
    app.config["GREETING"] = "hello"
    scheduler.core.registry.hindrance = lambda _: None
    task = scheduler.task(executor="process")(greeting)
    run = task.delay()
    fake_clock.run_due()
    assert (run.state, run.result, run.run.executor) == ("succeeded", ["hello"], "process")


def greeting() -> tuple[str]:
    return (current_app.config["GREETING"],)


PROGRAM = """
import os
from flask import Flask, current_app
from scheduler_app import Scheduler, task
import work

def create_app():
    app = Flask(__name__, instance_path=os.path.abspath("instance"))
    app.config["WORD"] = "of the factory"
    scheduler = Scheduler(app)
    if os.environ.get("STARTS"):
        scheduler.start()

    @app.post("/work")
    def post():
        return {"run": work.work.delay().id}, 202

    return app
"""
WORK = """
import os
from flask import current_app
from scheduler_app import Scheduler, task

@task(executor="process")
def work():
    scheduler = current_app.extensions["scheduler"]
    return {"pid": os.getpid(), "word": current_app.config["WORD"], "engine": scheduler.running}
"""


@pytest.mark.slow
def test_a_factory_of_a_user_is_called_in_the_worker_process_and_no_engine_starts_there(
    serve, tmp_path, monkeypatch
) -> None:
    (tmp_path / "work.py").write_text(WORK)
    monkeypatch.setenv("STARTS", "yes")
    running = serve(PROGRAM, "flask", "--app", "app:create_app", "run", "--port", "PORT")
    number = httpx.post(f"{running.url}/work", verify=False).json()["run"]
    run = until(lambda: (found := running.api(f"/runs/{number}"))["state"] == "succeeded" and found)
    assert run["result"]["pid"] != running.process.pid
    assert (run["result"]["word"], run["result"]["engine"]) == ("of the factory", False)
    assert len(running.api("/scheduler")["engines"]) == 1


@pytest.mark.slow
def test_an_app_that_cannot_be_built_is_told_and_its_runs_wait_uncharged(serve, tmp_path, monkeypatch) -> None:
    (tmp_path / "work.py").write_text(WORK)
    program = PROGRAM.replace(
        'app.config["WORD"]', 'app.config["SCHEDULER_APP"] = "app:nothing"\n    app.config["WORD"]'
    )
    running = serve(program, "flask", "--app", "app:create_app", "run", "--port", "PORT")
    number = httpx.post(f"{running.url}/work", verify=False).json()["run"]

    def ailment() -> str:
        return str(httpx.get(f"{running.url}/scheduler/readyz", verify=False).json()["checks"]["processes"])

    until(lambda: "cannot build the app: app:nothing" in ailment())
    run = running.api(f"/runs/{number}")
    assert (run["attempt"], run["crashes"]) in {(0, 0), (1, 0)}
