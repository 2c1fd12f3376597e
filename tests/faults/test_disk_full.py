"""The disk is full: what was accepted is kept, the process lives and says so, and goes on when there is room again."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.service.harness import Service, wait_until


@contextmanager
def no_room(service: Service) -> Iterator[None]:
    """No file that the service writes to may grow beyond what the largest of the store has now."""
    [worker] = service.workers()
    size = max(path.stat().st_size for path in service.data.glob("scheduler.db*"))
    before = resource.prlimit(worker, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(worker, resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
def test_a_full_disk_is_told_survived_and_forgotten(service: Service) -> None:
    trigger = {"type": "interval", "seconds": 0.5}
    service.post("/jobs", {"id": "beat", "task": "work", "trigger": trigger, "coalesce": False}, expect=201)
    running = service.add("work", kwargs={"seconds": 2.0})
    service.in_state(running, "running")
    workers, accepted = service.workers(), [running]

    with no_room(service):

        def is_refused() -> httpx.Response | None:
            answer = service.client.post("/jobs", json={"task": "work"})
            if answer.status_code == 202:
                accepted.append(answer.json()["last_run"]["id"])
                return None
            return answer

        refusal = wait_until(is_refused, within=20.0, what="no room left")
        assert (refusal.status_code, refusal.headers["Retry-After"]) == (503, "1")
        assert refusal.json()["code"] == "store_unavailable"
        wait_until(lambda: not service.is_ready(), within=5.0)
        assert httpx.get(f"{service.url}/healthz", verify=False).status_code == 200
        assert service.get("/jobs/beat")["state"] == "active", "reading goes on"
        wait_until(lambda: service.marks("end", running), within=5.0)
        assert {is_refused() is not None for _ in range(5)} == {True}

    wait_until(service.is_ready, within=5.0)
    assert {service.ended(run)["state"] for run in accepted} == {"succeeded"}
    assert len(service.marks("begin", running)) == 1
    assert service.run_now("work")["state"] == "succeeded"
    assert service.workers() == workers
    service.post("/jobs/beat/pause")
    wait_until(lambda: not service.get("/jobs/beat/runs", state="scheduled,queued,running")["items"], within=5.0)
