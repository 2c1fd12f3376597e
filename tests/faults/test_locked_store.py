"""Somebody else locks the store for seconds: the service says so, survives, and goes on where it was."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.faults.forms import form
from tests.service.harness import Service, wait_until

LOCKED = 5.0
CLIENTS = 20
LOCKED_FOR_LONG = form(5.0, 20.0)


@contextmanager
def locked(service: Service, seconds: float = LOCKED) -> Iterator[None]:
    """A plain connection of another process than the service holds the write lock for some seconds."""
    store = sqlite3.connect(service.data / "scheduler.db", isolation_level=None, check_same_thread=False, timeout=5.0)
    store.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, store.execute, ("ROLLBACK",))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        store.close()


@pytest.mark.slow
def test_a_locked_store_is_told_survived_and_forgotten(service: Service) -> None:
    trigger = {"type": "interval", "seconds": 0.5}
    service.post("/jobs", {"id": "beat", "task": "work", "trigger": trigger, "coalesce": False}, expect=201)
    wait_until(lambda: service.marks("end"), within=5.0)
    with locked(service, LOCKED_FOR_LONG):
        with ThreadPoolExecutor(CLIENTS) as pool:
            for answer in pool.map(lambda _: service.client.post("/jobs", json={"task": "work"}), range(CLIENTS)):
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
                assert answer.json()["code"] == "store_unavailable"
                assert answer.elapsed.total_seconds() < 2.0
        assert wait_until(lambda: httpx.get(f"{service.url}/readyz", verify=False).status_code == 503, within=3.0)
        assert httpx.get(f"{service.url}/healthz", verify=False).status_code == 200
        assert service.get("/jobs/beat")["state"] == "active", "reading goes on"
    wait_until(service.is_ready, within=5.0)
    assert service.run_now("work", within=5.0)["state"] == "succeeded"
    service.post("/jobs/beat/pause")
    wait_until(lambda: not service.get("/jobs/beat/runs", state="scheduled,queued,running")["items"], within=5.0)
    states = [run["state"] for run in service.get("/jobs/beat/runs", limit=200)["items"]]
    assert states.count("succeeded") + states.count("skipped") == len(states) >= 9


@pytest.mark.slow
def test_claims_that_cannot_be_given_back_meanwhile_are_not_forgotten(service: Service) -> None:
    for _ in range(30):
        service.add("work")
    wait_until(lambda: len(service.marks("end")) == 30, within=10.0)
    service.post("/scheduler/pause")
    runs = [service.add("work", kwargs={"seconds": 2}) for _ in range(25)]
    service.post("/scheduler/resume")
    wait_until(
        lambda: len(service.get("/runs", state="running", limit=200)["items"]) > 10, within=5.0, what="claims ahead"
    )
    with locked(service):
        pass
    assert {service.ended(run, within=20.0)["state"] for run in runs} == {"succeeded"}


@pytest.mark.slow
def test_a_stop_while_the_store_is_locked_ends_in_time_and_loses_nothing(service: Service) -> None:
    runs = [service.add("work", kwargs={"seconds": 1}) for _ in range(12)]
    wait_until(lambda: len(service.marks("begin")) == 10, within=5.0)
    service.close_client()
    with locked(service):
        assert service.stop(within=27.0) == 0
    service.start()
    assert {service.ended(run, within=10.0)["state"] for run in runs} == {"succeeded"}
