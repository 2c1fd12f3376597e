"""Workload S1: jobs submitted over HTTP, one a request, by 8 clients that keep their connections."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.benchmarks.clients import Order
from tests.benchmarks.drain import POSTGRESQL
from tests.benchmarks.processes import ROOT, StepError, environment
from tests.benchmarks.servers import SERVERS, Server, cpu_seconds
from tests.benchmarks.workload import Contender, Measured, Target, Workload

CLIENTS = 8
PROCESSES = 2
WARM_UP = 160
SECONDS = 300.0

WORKLOAD = Workload(
    name="S1",
    title="Submit over HTTP, 8 keep-alive clients, one date job a request",
    unit="requests/s",
    contenders=(
        Contender("ours", "scheduler-app serve, SQLite", "each 201 is on disk (WAL, FULL)"),
        Contender("ours-postgresql", "scheduler-app serve, PostgreSQL", "each 201 is on disk", POSTGRESQL),
        Contender("fa-memory", "Flask-APScheduler REST, memory", "nothing outlives the process"),
        Contender("fa-sqlite", "Flask-APScheduler REST, SQLite", "each 200 is on disk (rollback, FULL)"),
        Contender("fa-postgresql", "Flask-APScheduler REST, PostgreSQL", "each 200 is on disk", POSTGRESQL),
    ),
    ceilings=(Contender("bare-flask", "plain Flask that keeps nothing", "no scheduler at all"),),
    settings={
        "clients": f"{CLIENTS} connections of {PROCESSES} processes, ids given by the client, trigger date in a year",
        "warm_up": f"{WARM_UP} submits to each fresh server, not measured",
        "ours": "`scheduler-app serve --data … --tasks …` and nothing else: 40 web threads, engine in the same "
        "process, API key checked, log level INFO",
        "peers": "gunicorn gthread, 1 worker x 8 threads, SCHEDULER_API_ENABLED, no authentication",
    },
    targets=(
        Target(at_least=2.5, against=("fa-sqlite",)),
        Target(at_least=0.8, against=("fa-memory",)),
    ),
)


class Submit:
    """Single jobs over HTTP, each server a fresh one."""

    workload = WORKLOAD

    def prepare(self, _contender: str, _folder: Path, _jobs: int) -> None:
        """Every round has a fresh server; there is nothing to prepare."""

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Start a fresh server, submit, and check that it has every job."""
        start, counted = SERVERS[contender]
        with start(folder) as server:
            submit(server, "warm", WARM_UP)
            before = cpu_seconds(server.pid)
            reports = submit(server, "job", jobs)
            after = cpu_seconds(server.pid)
            found = jobs + WARM_UP if counted is None else counted(server)
        if found != jobs + WARM_UP:
            raise StepError(f"{found} jobs are there, not {jobs + WARM_UP}")
        return measured(reports, jobs, None if before is None or after is None else after - before)


def submit(server: Server, prefix: str, jobs: int) -> list[dict[str, Any]]:
    """Let the clients submit jobs, all beginning together, and return what each process saw."""
    clients = [_client(server, prefix, jobs, number) for number in range(PROCESSES)]
    try:
        for client in clients:
            _expect_ready(client)
        for client in clients:
            _say(client, "go\n")
        return [_report(client) for client in clients]
    finally:
        for client in clients:
            client.kill()
            client.communicate()


def _client(server: Server, prefix: str, jobs: int, number: int) -> subprocess.Popen[str]:
    order = Order(
        port=server.port,
        path=server.path,
        good=server.good,
        headers=server.headers,
        body=server.body,
        prefix=prefix,
        ranges=[[first, jobs, CLIENTS] for first in range(number, CLIENTS, PROCESSES)],
    )
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.clients", json.dumps(asdict(order))],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _expect_ready(client: subprocess.Popen[str]) -> None:
    assert client.stdout is not None
    if client.stdout.readline() != "ready\n":
        raise StepError("a client did not connect")


def _say(client: subprocess.Popen[str], word: str) -> None:
    assert client.stdin is not None
    client.stdin.write(word)
    client.stdin.flush()


def _report(client: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a client says at its end; a refused submit fails the step."""
    try:
        output, _ = client.communicate(timeout=SECONDS)
        report: dict[str, Any] = json.loads(output)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise StepError(f"a client did not report: {error}") from error
    if report["refused"]:
        raise StepError(f"refused: {report['refused'][0]}")
    return report


def measured(reports: list[dict[str, Any]], jobs: int, server_cpu: float | None) -> Measured:
    """Return the figures of a round: the time runs from the first request to the last answer of all processes."""
    seconds = max(report["ended"] for report in reports) - min(report["begun"] for report in reports)
    latencies = sorted(latency for report in reports for latency in report["seconds"])
    if len(latencies) != jobs:
        raise StepError(f"{len(latencies)} of {jobs} submits were answered")
    cuts = quantiles(latencies, n=100, method="inclusive")
    more = {
        "p50_ms": cuts[49] * 1e3,
        "p99_ms": cuts[98] * 1e3,
        "max_ms": latencies[-1] * 1e3,
        "client_cpu_us_each": sum(report["cpu_seconds"] for report in reports) / jobs * 1e6,
    }
    if server_cpu is not None:
        more["server_cpu_us_each"] = server_cpu / jobs * 1e6
    return Measured(rate=jobs / seconds, more=more)
