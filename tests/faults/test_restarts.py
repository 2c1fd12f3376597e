"""Stops on purpose: around the moment of a firing, and one service after the other under load."""

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest

from tests.faults.chaos import FIRING, Chaos
from tests.faults.forms import SEED, form
from tests.faults.promises import every_slot_was_recorded_once
from tests.service.harness import Service, wait_until

AROUND = (-3.0, -0.5, 0.0, 0.5)
LEAD = 0.3


def wait_for(moment: datetime) -> None:
    wait_until(lambda: datetime.now(UTC) >= moment, within=10.0)


@pytest.mark.slow
def test_a_firing_around_a_stop_happens_once(service: Service) -> None:
    for number, seconds in enumerate(AROUND * form(1, 10)):
        at = datetime.now(UTC) + timedelta(seconds=max(0.0, -seconds) + LEAD)
        trigger = {"type": "date", "run_date": at.isoformat()}
        body = {"id": f"date-{number}", "task": "work", "kwargs": {"seconds": 0.2}, "trigger": trigger}
        service.post("/jobs", body, expect=201)
        service.close_client()
        wait_for(at + timedelta(seconds=seconds))
        assert service.stop(within=30.0) == 0
        service.start()
        wait_until(lambda job=body["id"]: service.get(f"/jobs/{job}")["state"] == "finished", within=10.0)
    runs = list(service.runs())
    assert len(runs) == len({run["job_id"] for run in runs}) == len(AROUND) * form(1, 10)
    assert {(run["state"], run["attempt"], run["crashes"]) for run in runs} == {("succeeded", 1, 0)}
    assert Counter(mark.run for mark in service.marks("begin")) == dict.fromkeys([run["id"] for run in runs], 1)


class Client(threading.Thread):
    """Adds one-offs, at another service when one does not take it, until it is told to end."""

    def __init__(self, services: list[Service]) -> None:
        super().__init__()
        self.added: list[str] = []
        self.over = threading.Event()
        self._services = services
        self._luck = random.Random(SEED)

    def run(self) -> None:
        for number in count():
            if self.over.wait(self._luck.uniform(0.0, 0.1)):
                return
            self._add(f"one-{number}", round(self._luck.uniform(0.0, 0.4), 3))

    def _add(self, job: str, seconds: float) -> None:
        body = {"id": job, "task": "work", "kwargs": {"seconds": seconds}}
        headers = {"Authorization": f"Bearer {self._services[0].key}"}
        while job not in self.added:
            for service in self._luck.sample(self._services, 2):
                with suppress(httpx.TransportError):
                    answer = httpx.post(
                        f"{service.url}/api/v1/jobs", json=body, headers=headers, timeout=5.0, verify=False
                    )
                    if answer.status_code in (202, 409):
                        self.added.append(job)
                        return
            time.sleep(0.05)


@pytest.mark.slow
def test_rolling_restarts_under_load_lose_nothing_and_charge_nothing(pair: list[Service]) -> None:
    print(f"CHAOS_SEED={SEED}")
    chaos, client = Chaos(pair[0], SEED), Client(pair)
    chaos.add_firing_jobs()
    client.start()
    try:
        for service in pair * form(1, 20):
            added = len(client.added)
            wait_until(lambda added=added: len(client.added) >= added + 10, within=20.0, what="load")
            service.close_client()
            assert service.stop(within=30.0) == 0
            service.start()
    finally:
        client.over.set()
        client.join(20.0)
    chaos.drain(within=20.0)
    runs = [run for run in chaos.runs().values() if run["attempt"]]
    assert {run["job_id"] for run in runs} >= {*client.added, *FIRING}
    assert {(run["state"], run["attempt"], run["crashes"]) for run in runs} == {("succeeded", 1, 0)}
    assert set(Counter(mark.run for mark in pair[0].marks("begin")).values()) == {1}
    assert len({mark.pid for mark in pair[0].marks("begin")}) > 2, "each of them worked"
    every_slot_was_recorded_once(chaos)
