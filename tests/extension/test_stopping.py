"""Stops and starts that meet each other."""

import threading
from pathlib import Path

from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.extension.served import readiness


def test_a_second_stop_waits_for_the_first_and_a_start_for_both(tmp_path: Path) -> None:
    app = Flask("stopping", instance_path=str(tmp_path))
    scheduler = Scheduler(app)
    began, may_end = threading.Event(), threading.Event()

    @scheduler.task
    def busy() -> str:
        began.set()
        may_end.wait(10.0)
        return "done"

    scheduler.start()
    run = busy.delay()
    assert began.wait(10.0)
    first = threading.Thread(target=scheduler.shutdown)
    first.start()
    while not scheduler.core.engine.draining:
        first.join(0.01)
    second = threading.Thread(target=scheduler.shutdown)
    again = threading.Thread(target=scheduler.start)
    second.start()
    again.start()
    second.join(0.2)
    assert second.is_alive()
    assert again.is_alive()
    may_end.set()
    for thread in (first, second, again):
        thread.join(10.0)
    assert (run.state, scheduler.running) == ("succeeded", True)
    scheduler.shutdown()
    scheduler.core.close()


def test_a_process_that_is_about_to_start_its_engine_is_not_ready(tmp_path: Path) -> None:
    scheduler = Scheduler(Flask("expecting", instance_path=str(tmp_path)))
    core = scheduler.core
    assert (readiness(core).ready, readiness(core).engine) == (True, "none")
    core.engine.expect()
    assert (readiness(core).ready, readiness(core).checks["engine"]) == (False, "not started yet")
    core.close()
