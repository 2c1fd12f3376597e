"""Kills while processes and Celery's workers execute: what each run did is told by the witness file, not by the store.

None is lost, none begins twice that may not, what a kill interrupted begins again soon, and everything ends in time.
"""

import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from scheduler_app.failpoints import VARIABLE
from tests import postgres, valkey
from tests.broker.workers import CeleryWorker, brokered
from tests.faults.forms import SEED, form
from tests.faults.promises import the_audit_finds_no_breach
from tests.service.harness import Mark, Service, wait_until

pytestmark = pytest.mark.slow
RUNS = form(60, 5000)
BLOWS = form(5, 120)
LONGEST = form(0.3, 0.1)
DEADLY = ("run.before_start", "run.after_return", "store.before_commit", "store.after_commit")
DONE_WITHIN = form(120.0, 900.0)
# in the long form the broker forgets: what it lost is published again after 60 s, behind as many as 500 others
BEGUN_AGAIN_WITHIN = form(30.0, 240.0)
# so does what a killed worker of Celery's had taken from it and not begun
PUBLISHED_AGAIN_WITHIN = 60.0


@dataclass
class Stand:
    """What is hit: a service, and for Celery a broker and two workers; `forgot`: when the broker lost all."""

    service: Service
    executor: str
    luck: random.Random
    broker: valkey.Valkey | None = None
    workers: Sequence[CeleryWorker] = ()
    forgot: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start all of it."""
        self.service.start()
        for worker in self.workers:
            worker.start(ready=False)

    def blows(self) -> list[Callable[[], None]]:
        """What may happen to it."""
        found = [self.kill_who_executes, self.kill_who_executes, self.kill_service]
        if self.workers:
            found += [self.kill_worker, self.stop_worker, self.silence_broker, self.arm_worker]
        if self.workers and form(False, True):
            found += [self.restart_broker, self.empty_broker]
        return found

    def kill_who_executes(self) -> None:
        """Kill the process of a run that has begun and not ended."""
        executing = self.executing()
        if executing:
            with suppress(ProcessLookupError):
                os.kill(executing[-1].pid, signal.SIGKILL)
        for worker in self.workers:
            if worker.process.poll() is not None:  # it executed itself, in threads
                self.restart(worker)

    def executing(self) -> list[Mark]:
        """The begins that no end has followed, and whose process lives."""
        ended = {(mark.run, mark.attempt) for mark in self.service.marks("end")}
        begun = [mark for mark in self.service.marks("begin") if (mark.run, mark.attempt) not in ended]
        return [mark for mark in begun if Path(f"/proc/{mark.pid}").exists()]

    def kill_service(self) -> None:
        """Kill the service with all its processes, and start it again."""
        self.service.kill()
        self.service.start()

    def restart(self, worker: CeleryWorker, **env: str) -> None:
        """Kill a worker with all its processes, and start it again."""
        worker.kill()
        worker.env = self.service.env | env
        worker.start(ready=False)

    def kill_worker(self) -> None:
        """Kill one of the workers with all its processes, and start it again."""
        self.restart(self.luck.choice(self.workers))

    def arm_worker(self) -> None:
        """Start a worker anew with processes each of which dies at some step of some run."""
        point = self.luck.choice(DEADLY)
        self.restart(self.luck.choice(self.workers), **{VARIABLE: f"{point}=kill:{self.luck.randint(5, 9)}"})

    def calm(self) -> None:
        """Let who dies by itself live."""
        for worker in self.workers:
            self.restart(worker)

    def stop_worker(self) -> None:
        """Tell a worker to stop, and start it again."""
        worker = self.luck.choice(self.workers)
        # an armed one may die of that first; a process of Celery's pool waits 30 s for messages that nobody reads
        assert worker.stop(within=90.0) in (0, -signal.SIGKILL)
        worker.start(ready=False)

    def silence_broker(self) -> None:
        """Let the broker stand still for a moment."""
        assert self.broker is not None
        os.kill(self.broker.pid, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(self.broker.pid, signal.SIGCONT)

    def restart_broker(self) -> None:
        """Kill the broker, which forgets everything, and start it again."""
        assert self.broker is not None
        self.broker.stop()
        self.broker.start()
        self.forgot.append(time.monotonic())

    def empty_broker(self) -> None:
        """Let the broker forget everything."""
        assert self.broker is not None
        with self.broker.client as client:
            client.flushall()
        self.forgot.append(time.monotonic())


@pytest.fixture(params=["process-sqlite", "prefork-sqlite", "prefork-postgresql", "threads-postgresql"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    """A service whose runs execute in processes, or a worker of Celery's, on either database."""
    kind, _, database = request.param.partition("-")
    with ExitStack() as stack:
        url = stack.enter_context(postgres.running()).fresh() if database == "postgresql" else None
        options = [] if url is None else ["--database", url]
        if kind == "process":
            stand = Stand(Service(tmp_path, options=options), "process", random.Random(SEED))
        else:
            broker = stack.enter_context(valkey.running())
            service = brokered(tmp_path, broker, options=options)
            workers = [CeleryWorker(service, pool=kind) for _ in range(2)]
            stand = Stand(service, "celery", random.Random(SEED), broker, workers)
            for worker in workers:
                stack.callback(worker.clean_up)
        stack.callback(stand.service.clean_up)
        stand.start()
        yield stand


@pytest.mark.long
def test_nothing_is_lost_or_doubled_whatever_is_killed(stand: Stand) -> None:
    print(f"CHAOS_SEED={SEED}")
    deliveries = submitted(stand, stand.luck)
    for _ in range(BLOWS):
        time.sleep(stand.luck.uniform(0.2, 0.8))
        stand.luck.choice(stand.blows())()
    stand.calm()
    wait_until(lambda: not any(open_runs(stand.service)), within=DONE_WITHIN, what="all runs have ended")
    every_run_ended_as_its_delivery_allows(stand.service, deliveries)
    what_was_interrupted_began_again_soon(stand)
    the_audit_finds_no_breach(stand.service)


def submitted(stand: Stand, luck: random.Random) -> dict[int, str]:
    """Add one-offs; return the delivery of each run."""
    found = {}
    for begin in range(0, RUNS, 500):
        jobs = [
            {
                "task": "work",
                "executor": stand.executor,
                "kwargs": {"seconds": round(luck.uniform(0, LONGEST), 3)},
                "delivery": luck.choice(["at_least_once", "at_most_once"]),
            }
            for _ in range(min(500, RUNS - begin))
        ]
        items = stand.service.post("/jobs/batch", {"jobs": jobs})["items"]
        found |= {item["job"]["last_run"]["id"]: item["job"]["delivery"] for item in items}
    return found


def open_runs(service: Service) -> list[int]:
    return list(service.get("/scheduler")["open_runs"].values())


def every_run_ended_as_its_delivery_allows(service: Service, deliveries: dict[int, str]) -> None:
    begun = Counter(mark.run for mark in service.marks("begin"))
    ended = Counter(mark.run for mark in service.marks("end"))
    runs = {run["id"]: run for run in service.runs()}
    for run_id, delivery in deliveries.items():
        run = runs[run_id]
        if delivery == "at_most_once":
            assert begun[run_id] <= 1, f"began {begun[run_id]} times: {run}"
            assert run["state"] == "lost" or (run["state"], ended[run_id]) == ("succeeded", 1), run
        elif run["crashes"] < 3:  # after the third while alone it is failed
            assert run["state"] == "succeeded" and ended[run_id] >= 1, run
    print(Counter(run["state"] for run in runs.values()), "crashes", Counter(run["crashes"] for run in runs.values()))


def what_was_interrupted_began_again_soon(stand: Stand) -> None:
    ended = {(mark.run, mark.attempt) for mark in stand.service.marks("end")}
    begins = defaultdict(list)
    for mark in stand.service.marks("begin"):
        begins[mark.run].append(mark)
    waits = [
        later.at - max([earlier.at, *(at for at in stand.forgot if at < later.at)])
        for marks in begins.values()
        for earlier, later in pairwise(marks)
        if (earlier.run, earlier.attempt) not in ended
    ]
    print(
        f"{len(waits)} began again, after at most {max(waits, default=0.0):.1f} s; {len(stand.forgot)} times forgotten"
    )
    assert max(waits, default=0.0) < BEGUN_AGAIN_WITHIN + (PUBLISHED_AGAIN_WITHIN if stand.workers else 0.0)
