"""Limits hold over all engines of a store, on real time and real threads, and when one of them dies."""

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from scheduler_app.clock import SystemClock
from scheduler_app.domain.run import Reason
from scheduler_app.extension.core import Core, Kit, build
from scheduler_app.store import rescues

pytestmark = pytest.mark.slow
CLOCK = SystemClock()
Start = Callable[..., Core]


@pytest.fixture
def start(scheduler, stood_still) -> Iterator[Start]:
    """Start engines of ten threads on the store of the test, by the real clock."""
    core, started = scheduler.core, []

    def start(**limits: int) -> Core:
        settings = core.settings.model_copy(update={"executor_limits": limits, "processes": 0})
        started.append(build(scheduler.app, Kit(settings=settings, registry=core.registry, clock=CLOCK)))
        started[-1].engine.start()
        return started[-1]

    yield start
    for one in started:
        one.engine.stop(drain=1.0)
        one.close()


@pytest.fixture
def stood_still(scheduler, fake_clock):
    """The test's own engine, and the process's clock, play no part."""
    fake_clock._driven.clear()
    fake_clock.stop()


class Witness:
    """Notes when each run began, and how many there were at once."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.at_once: list[int] = []
        self._here = 0
        self._lock = threading.Lock()

    def visit(self, seconds: float) -> None:
        with self._lock:
            self.begun.append(CLOCK.monotonic())
            self._here += 1
            self.at_once.append(self._here)
        CLOCK.wait(threading.Event(), seconds)
        with self._lock:
            self._here -= 1

    def wait_for(self, number: int) -> None:
        limit = CLOCK.monotonic() + 20
        while len(self.begun) < number:
            assert CLOCK.monotonic() < limit, f"{len(self.begun)} of {number} runs have begun"
            CLOCK.wait(threading.Event(), 0.01)

    def shortest_window(self, starts: int) -> float:
        """Return the seconds of the shortest window that holds one start more than that."""
        begun = sorted(self.begun)
        return min(later - earlier for earlier, later in zip(begun, begun[starts:], strict=False))


def test_no_window_of_a_rate_holds_more_starts_over_two_engines(scheduler, start):
    witness = Witness()
    scheduler.task(name="visit", rate_limit="5/s")(lambda seconds: witness.visit(seconds))
    for _ in range(16):
        scheduler.add_job(None, "visit", kwargs={"seconds": 0.01})
    start(), start()
    witness.wait_for(16)
    assert 1.0 <= witness.shortest_window(5) < 1.5


def test_what_a_dead_engine_has_started_still_counts(scheduler, start):
    witness = Witness()
    scheduler.task(name="visit", rate_limit="5/s")(lambda seconds: witness.visit(seconds))
    for _ in range(10):
        scheduler.add_job(None, "visit", kwargs={"seconds": 0.2})
    first = start()
    witness.wait_for(5)
    first.engine.begin_drain()
    dead = first.engine.id
    first.database.write(lambda tx: rescues.take_over(tx, dead, now=CLOCK.now(), reason=Reason.CRASHED))
    start()
    witness.wait_for(15)
    assert witness.shortest_window(5) >= 1.0


def test_runs_of_a_task_at_once_are_counted_over_two_engines(scheduler, start):
    witness = Witness()
    scheduler.task(name="visit", max_running=3)(lambda seconds: witness.visit(seconds))
    for _ in range(12):
        scheduler.add_job(None, "visit", kwargs={"seconds": 0.05})
    start(), start()
    witness.wait_for(12)
    assert max(witness.at_once) == 3
    assert max(later - earlier for earlier, later in pairwise(witness.begun)) < 0.9


def test_runs_of_an_executor_at_once_are_counted_over_two_engines(scheduler, start):
    witness = Witness()
    scheduler.task(name="visit")(lambda seconds: witness.visit(seconds))
    for _ in range(12):
        scheduler.add_job(None, "visit", kwargs={"seconds": 0.05})
    start(thread=4), start(thread=4)
    witness.wait_for(12)
    assert max(witness.at_once) == 4
