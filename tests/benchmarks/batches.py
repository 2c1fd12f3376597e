"""Workload S2: jobs submitted over HTTP in batches of 1,000, by one client that keeps its connection."""

import http.client
import json
import time
from pathlib import Path

from tests.benchmarks.processes import StepError
from tests.benchmarks.servers import Server, count_ours, cpu_seconds, ours
from tests.benchmarks.workload import Contender, Measured, Target, Workload

BATCH = 1000
OURS_OF = {"ours": BATCH, "ours-hundreds": 100}
WORKLOAD = Workload(
    name="S2",
    title="Submit over HTTP in batches, one keep-alive client",
    unit="jobs/s",
    contenders=(
        Contender("ours", "scheduler-app serve, batches of 1,000", "each 200 is on disk (WAL, FULL)"),
        Contender("ours-hundreds", "scheduler-app serve, batches of 100", "each 200 is on disk (WAL, FULL)"),
    ),
    settings={
        "jobs": "ids given by the client, trigger date in a year; one batch before the clock begins",
        "ours": "`scheduler-app serve --data … --tasks …` and nothing else",
        "peers": "Flask-APScheduler's REST API takes one job a request, see S1",
    },
    targets=(Target(at_least=10_000),),
)


class Batches:
    """Batches over HTTP, each server a fresh one."""

    workload = WORKLOAD

    def prepare(self, _contender: str, _folder: Path, _jobs: int) -> None:
        """Every round has a fresh server; there is nothing to prepare."""

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Start a fresh server, submit, and check that it has every job."""
        size = OURS_OF[contender]
        with ours(folder) as server:
            bodies = [batch(server, first, min(size, jobs - first)) for first in range(0, jobs, size)]
            post(server, [batch(server, jobs, size)])
            before = cpu_seconds(server.pid)
            seconds = post(server, bodies)
            after = cpu_seconds(server.pid)
            found = count_ours(server) - size
        if found != jobs:
            raise StepError(f"{found} jobs are there, not {jobs}")
        more = {} if before is None or after is None else {"server_cpu_us_each": (after - before) / jobs * 1e6}
        return Measured(rate=jobs / seconds, more=more)


def batch(server: Server, first: int, size: int) -> bytes:
    """Return the body that adds jobs of so many numbers."""
    return json.dumps({"jobs": [{"id": f"job-{first + at}", **server.body} for at in range(size)]}).encode()


def post(server: Server, bodies: list[bytes]) -> float:
    """Send these batches one after the other, and return how long that took."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Content-Type": "application/json", **server.headers}
    connection.connect()
    start = time.perf_counter()
    try:
        for body in bodies:
            connection.request("POST", f"{server.path}/batch", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200 or b'"problem":{' in text:
                raise StepError(f"refused: {answer.status} {text[:300].decode(errors='replace')}")
        return time.perf_counter() - start
    finally:
        connection.close()
