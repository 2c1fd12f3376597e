"""kill -9 at random moments under load: clients submit, a killer kills and restarts, and an auditor counts at the end.

Told from outside: what was accepted is what a client was answered 2xx, what was executed is what the witness file says.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx

from scheduler_app.failpoints import VARIABLE
from tests.service.harness import FINAL, Mark, Service, wait_until

INTERVAL = timedelta(seconds=0.5)
FIRING = {
    "coalescing": {"coalesce": True},
    "each": {"coalesce": False, "overlap": "queue_all"},
    "beside": {"max_instances": 3, "overlap": "skip"},
}


@dataclass(frozen=True)
class Accepted:
    """A one-off whose POST was answered 2xx."""

    job: str
    run: int
    delivery: str


@dataclass
class Kill:
    """When the group was killed, and when the service was ready again, on the monotonic clock."""

    at: float
    back: float = 0.0


@dataclass
class Chaos:
    """One experiment on one service."""

    service: Service
    seed: int
    accepted: list[Accepted] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self, kills: int) -> None:
        """Kill that often while two clients submit."""
        luck = random.Random(self.seed)
        with self.load(luck):
            for _ in range(kills):
                self._kill(luck)

    @contextmanager
    def load(self, luck: random.Random) -> Iterator[None]:
        """Start the service with jobs that fire, and let two clients submit until the block ends."""
        self.service.start()
        self.add_firing_jobs()
        clients = [threading.Thread(target=self._submit, args=(n, luck.random())) for n in range(2)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self._over.set()
            for client in clients:
                client.join(20.0)

    def add_firing_jobs(self) -> None:
        """Add jobs that fire twice a second, each with other policies."""
        trigger = {"type": "interval", "seconds": INTERVAL.total_seconds()}
        for name, policies in FIRING.items():
            self.service.post("/jobs", {"id": name, "task": "work", "trigger": trigger, **policies}, expect=201)

    def die_at(self, failpoint: str, number: int, **env: str) -> None:
        """Kill the service, start it so that it dies at the n-th pass of a failpoint, and kill what is left of it."""
        self.service.kill()
        armed = {VARIABLE: f"{failpoint}=kill:{number}", **env}
        self.service.env |= armed
        self.service.launch()
        wait_until(lambda: f"failpoint {failpoint}" in self.service.said(), within=40.0, what=failpoint)
        self.service.kill()
        for name in armed:
            del self.service.env[name]

    def _kill(self, luck: random.Random) -> None:
        """Kill at a moment when it works, now and then while it still starts, and start it again."""
        time.sleep(luck.uniform(0.05, 1.2))
        kill = Kill(at=time.monotonic())
        self.service.kill()
        if luck.random() < 0.2:
            self.service.launch()
            time.sleep(luck.uniform(0.3, 1.2))
            self.service.kill()
        self.service.start()
        kill.back = time.monotonic()
        self.kills.append(kill)

    def _submit(self, number: int, seed: float) -> None:
        """Add one-offs until it is over, whatever answers."""
        luck = random.Random(seed)
        headers = {"Authorization": f"Bearer {self.service.key}"}
        with httpx.Client(base_url=f"{self.service.url}/api/v1", headers=headers, timeout=10.0, verify=False) as client:
            for count in range(100_000):
                if self._over.wait(luck.uniform(0.0, 0.1)):
                    return
                delivery = luck.choice(["at_least_once", "at_most_once"])
                kwargs = {"seconds": round(luck.uniform(0, 0.3), 3)}
                self._add(
                    client, {"id": f"one-{number}-{count}", "task": "work", "kwargs": kwargs, "delivery": delivery}
                )

    def _add(self, client: httpx.Client, body: dict[str, Any]) -> None:
        try:
            answer = client.post("/jobs", json=body)
        except httpx.TransportError:
            self.unanswered.append(body["id"])
            self._over.wait(0.1)
            return
        if answer.is_success:
            self.accepted.append(Accepted(body["id"], answer.json()["last_run"]["id"], body["delivery"]))
        else:
            self.refused.append(f"{answer.status_code} {answer.text}")

    def drain(self, within: float) -> None:
        """End the firing and wait until nothing is left to do."""
        for name in FIRING:
            self.service.post(f"/jobs/{name}/pause")
        wait_until(lambda: not any(self.service.get("/scheduler")["open_runs"].values()), within=within, what="drained")

    def runs(self) -> dict[int, dict[str, Any]]:
        """Every run by its id."""
        return {run["id"]: run for run in self.service.runs()}

    def restarts(self) -> list[float]:
        """For each kill that interrupted work: seconds from the engine's return to the first begin of any of it."""
        begins, ends = self.service.marks("begin"), {(mark.run, mark.attempt) for mark in self.service.marks("end")}
        found = []
        for kill, following in pairwise([*self.kills, Kill(at=float("inf"))]):
            begun = [m for m in begins if m.at < kill.at and (m.run, m.attempt) not in ends]
            again = _next_begin({mark.run for mark in begun}, begins, kill.at, following.at)
            if again is not None:
                found.append(again.at - kill.back)
        return found


def _next_begin(runs: set[int], begins: list[Mark], after: float, before: float) -> Mark | None:
    later = [mark for mark in begins if mark.run in runs and after < mark.at < before]
    return min(later, key=lambda mark: mark.at, default=None)


def slots_of(runs: list[dict[str, Any]]) -> list[datetime]:
    """Every slot that the runs and missed ranges of an interval job record, in order."""
    found: list[datetime] = []
    for run in runs:
        missed = run["missed"]
        if missed is None:
            found.append(moment(run["scheduled_at"]))
            continue
        slots = slots_between(moment(missed["from"]), moment(missed["to"]))
        assert missed["count"] in (None, len(slots)), f"a range of {len(slots)} slots says {missed}"
        found += slots
    return sorted(found)


def slots_between(first: datetime, last: datetime) -> list[datetime]:
    """The slots of the interval from one to another, both included."""
    steps = (last - first) // INTERVAL
    return [first + step * INTERVAL for step in range(steps + 1)]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def unfinished(runs: dict[int, dict[str, Any]]) -> list[int]:
    return [run["id"] for run in runs.values() if run["state"] not in FINAL]
