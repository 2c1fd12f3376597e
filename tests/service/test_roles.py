"""An engine without the web part, and the web part without an engine, on one store."""

import signal
import statistics
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.harness import Service, wait_until
from tests.service.roles import Worker, web

pytestmark = pytest.mark.slow


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Service]:
    """`serve --no-engine`, ready."""
    service = web(tmp_path)
    yield service.start(within=45.0)
    service.clean_up()


@pytest.fixture
def worker(front: Service, tmp_path: Path) -> Iterator[Worker]:
    """`worker` on the same store, working."""
    worker = Worker(tmp_path)
    yield worker.start()
    worker.clean_up()


def ready(service: Service) -> dict:
    """What /readyz answers."""
    return httpx.get(f"{service.url}/readyz", verify=False).json()


def test_what_the_web_part_accepts_is_due_in_the_worker_at_once(front: Service, worker: Worker) -> None:
    assert ready(front) == {"ready": True, "engine": "none", "checks": {"database": True}}
    front.run_now("work")
    runs = [front.run_now("work") for _ in range(100)]
    assert {mark.pid for mark in front.marks("begin")} == {worker.pid}
    late = sorted(run["lateness"] for run in runs)
    print(f"late: median {statistics.median(late):.3f} s, p99 {late[98]:.3f} s")
    assert statistics.median(late) < 0.06
    assert late[98] < 0.25
    engine = front.get("/scheduler")["engines"][0]
    assert (engine["pid"], engine["state"], engine["slots"]) == (worker.pid, "running", 10)


def test_a_worker_stops_as_a_service_does(front: Service, worker: Worker) -> None:
    running = front.add("work", kwargs={"seconds": 2})
    front.in_state(running, "running")
    worker.signal(signal.SIGTERM)
    wait_until(lambda: front.get("/scheduler")["engines"][0]["state"] == "draining", within=2.0)
    waiting = front.add("work")
    assert worker.wait(within=10.0) == 0
    assert (front.run(running)["state"], front.run(waiting)["state"]) == ("succeeded", "queued")
    assert "Traceback" not in worker.said()
    worker.start()
    assert front.ended(waiting)["attempt"] == 1


def test_a_second_signal_ends_a_worker_at_once(front: Service, worker: Worker) -> None:
    run = front.add("deaf", kwargs={"seconds": 60})
    front.in_state(run, "running")
    worker.signal(signal.SIGINT)
    wait_until(lambda: front.get("/scheduler")["engines"][0]["state"] == "draining", within=2.0)
    worker.signal(signal.SIGINT)
    assert worker.wait(within=1.0) == 0


def test_an_idle_worker_ends_at_once_and_the_web_part_stays_ready(front: Service, worker: Worker) -> None:
    worker.signal(signal.SIGTERM)
    assert worker.wait(within=5.0) == 0
    assert front.get("/scheduler")["engines"][0]["state"] == "stopped"
    assert ready(front)["ready"] is True
