"""A drain by the workers of a peer: filled first, held back until they are warm, then let go.

Executions are counted in a file, so that waiting for them costs the broker nothing. The clock begins with those that
are there at the first look, which do not count, and stops with the last function that returned.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import brokers, databases
from tests.benchmarks.brokers import PEERS, Peer
from tests.benchmarks.marks import Marks
from tests.benchmarks.processes import StepError
from tests.benchmarks.servers import cpu_seconds
from tests.benchmarks.workload import Measured

if TYPE_CHECKING:
    from tests import valkey

SECONDS = 300.0
WARM, CALM = 100, 1.0
HELD = "held"


def prepare(key: str, jobs: int) -> None:
    """Fill the one database that can be copied."""
    if key == "procrastinate":
        brokers.add(PEERS[key], jobs, BROKER=databases.dsn(databases.empty(key)))


def measure(key: str, folder: Path, jobs: int) -> Measured:
    """Drain once, and check that nothing is left and nothing was executed twice."""
    peer, marks = PEERS[key], Marks(folder / "executed")
    with brokers.broker(key, folder) as (address, server):
        variables = {"BROKER": address, "EXECUTED": str(marks.file)}
        if server is None:
            return _from_start(key, folder, jobs, marks, variables)
        with _unsynced(server):
            brokers.add(peer, jobs, **variables)
        server.client.rename(peer.queue, HELD)
        with brokers.workers(peer, folder, **variables) as pids:
            _warm_up(peer, marks, variables)
            before = _cpu([*pids, server.pid])
            server.client.rename(HELD, peer.queue)
            seconds = seconds_of(marks, WARM, jobs)
            return _measured(seconds, jobs, _cpu([*pids, server.pid]) - before)


def _from_start(key: str, folder: Path, jobs: int, marks: Marks, variables: Mapping[str, str]) -> Measured:
    """Drain what cannot be held back: the clock begins with the first execution of the first worker."""
    peer = PEERS[key]
    if key != "procrastinate":
        brokers.add(peer, jobs, **variables)
    with brokers.workers(peer, folder, **variables) as pids:
        marks.wait_for(1, time.monotonic() + SECONDS)
        before = _cpu(pids)
        seconds = seconds_of(marks, 0, jobs)
        return _measured(seconds, jobs, _cpu(pids) - before)


@contextmanager
def _unsynced(server: "valkey.Valkey") -> Iterator[None]:
    """Fill without waiting for the disk, which is not what is measured."""
    wanted = server.client.config_get("appendfsync")["appendfsync"]
    server.client.config_set("appendfsync", "no")
    yield
    server.client.config_set("appendfsync", wanted)


def _warm_up(peer: Peer, marks: Marks, variables: Mapping[str, str]) -> None:
    """Let the workers execute some, and then all of them be idle."""
    brokers.add(peer, WARM, **variables)
    marks.wait_for(WARM, time.monotonic() + SECONDS)
    time.sleep(CALM)


def seconds_of(marks: Marks, before: int, jobs: int) -> float:
    """Return how long it takes to execute so many after those before."""
    limit = time.monotonic() + SECONDS
    began = marks.wait_for(before + 1, limit)
    seen = marks.count() - before
    ended = marks.wait_for(before + jobs, limit)
    time.sleep(0.2)
    if marks.count() != before + jobs:
        raise StepError(f"{marks.count() - before} executions of {jobs} jobs")
    return (ended - began) * jobs / max(jobs - seen, 1)


def _cpu(pids: list[int]) -> float:
    return sum(cpu_seconds(pid) or 0.0 for pid in pids)


def _measured(seconds: float, jobs: int, cpu: float) -> Measured:
    return Measured(rate=jobs / seconds, more={"cpu_us_each": cpu / jobs * 1e6})
