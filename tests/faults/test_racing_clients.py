"""Clients pause, change, delete and run jobs that fire five times a second, all at once, while an engine fires them."""

import random
import threading
import time
from collections import Counter

import httpx
import pytest

from tests.faults.forms import SEED, form
from tests.service.harness import Service, wait_until

JOBS = ("one", "two", "three")
FINE = {200, 201, 202, 204, 404, 409, 412}


class Client(threading.Thread):
    """Does one thing after the other to jobs picked at random."""

    def __init__(self, service: Service, number: int, until: float) -> None:
        super().__init__()
        self.answers: Counter[int] = Counter()
        self.strange: list[str] = []
        self._luck = random.Random(f"{SEED} {number}")
        self._until = until
        self._client = httpx.Client(
            base_url=f"{service.url}/api/v1", headers={"Authorization": f"Bearer {service.key}"}, timeout=10.0
        )

    def run(self) -> None:
        with self._client:
            while time.monotonic() < self._until:
                self._note(
                    self._luck.choice([self.put, self.pause, self.resume, self.patch, self.delete, self.by_hand])()
                )

    def _note(self, answer: httpx.Response) -> None:
        self.answers[answer.status_code] += 1
        if answer.status_code not in FINE:
            self.strange.append(f"{answer.status_code} {answer.text}")

    def _path(self) -> str:
        return f"/jobs/{self._luck.choice(JOBS)}"

    def _trigger(self) -> dict[str, object]:
        return {"type": "interval", "seconds": self._luck.choice([0.1, 0.2, 0.3])}

    def put(self) -> httpx.Response:
        body = {"task": "tick", "trigger": self._trigger(), "coalesce": self._luck.random() < 0.5}
        return self._client.put(self._path(), json=body)

    def pause(self) -> httpx.Response:
        return self._client.post(f"{self._path()}/pause", json={})

    def resume(self) -> httpx.Response:
        return self._client.post(f"{self._path()}/resume", json={})

    def patch(self) -> httpx.Response:
        return self._client.patch(self._path(), json={"trigger": self._trigger()})

    def delete(self) -> httpx.Response:
        return self._client.delete(self._path())

    def by_hand(self) -> httpx.Response:
        return self._client.post(f"{self._path()}/run", json={})


@pytest.mark.slow
def test_whatever_clients_do_at_once_no_firing_happens_twice_and_none_is_lost(service: Service) -> None:
    print(f"CHAOS_SEED={SEED}")
    clients = [Client(service, number, time.monotonic() + form(4.0, 120.0)) for number in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [strange for client in clients for strange in client.strange] == []
    assert sum((client.answers for client in clients), Counter())[200] > 20
    for job in JOBS:
        service.client.post(f"/jobs/{job}/pause", json={})
    wait_until(lambda: not any(service.get("/scheduler")["open_runs"].values()), within=15.0, what="drained")
    runs = list(service.runs())
    begun = Counter(mark.run for mark in service.marks("begin"))
    assert begun == {run["id"]: 1 for run in runs if run["attempt"]}
    assert {(run["state"], run["attempt"]) for run in runs} <= {
        ("succeeded", 1),
        ("missed", 0),
        ("skipped", 0),
        ("cancelled", 0),
    }
