"""An engine that another process drains: it hears of it within a second, and finishes what it has."""

import threading
from pathlib import Path

import pytest

from scheduler_app.extension.served import readiness
from scheduler_app.services import engines as asking
from tests.extension.conftest import until
from tests.extension.test_reconciling import made, started

pytestmark = pytest.mark.slow


def test_another_process_drains_an_engine_and_takes_it_back(tmp_path: Path):
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert may_end.wait(20)

    def ping() -> None:
        pass

    another = made(tmp_path)
    with started(tmp_path) as scheduler:
        long, short = scheduler.task(work), scheduler.task(ping)
        engine = scheduler.core.engine
        run = long.delay()
        assert begun.wait(20)

        asking.drain_engine(engine.id, ctx=another.core.ctx)
        until(lambda: readiness(scheduler.core).engine == "drained")
        waiting = short.delay()
        may_end.set()
        until(lambda: run.state == "succeeded")
        assert (waiting.state, readiness(scheduler.core).ready) == ("queued", True)

        asking.resume_engine(engine.id, ctx=another.core.ctx)
        until(lambda: waiting.state == "succeeded")
        assert readiness(scheduler.core).engine == "here"
    another.core.close()
