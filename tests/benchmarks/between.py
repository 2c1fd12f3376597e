"""Workload P1: a job added through one process, executed by another; how long after the call that adds it.

The adding process waits between its calls for times that no poll keeps step with, so each finds the other idle.
"""

import time
from pathlib import Path
from statistics import quantiles

from tests.benchmarks import brokers, databases
from tests.benchmarks.brokers import PEERS, Peer
from tests.benchmarks.drain import POSTGRESQL
from tests.benchmarks.drainers import url_of
from tests.benchmarks.marks import Marks
from tests.benchmarks.workload import Contender, Measured, Target, Workload

WARM = 20
GAP = 0.06
SECONDS = 300.0
ON_POSTGRESQL = "ours-postgresql"
OURS = Peer(name="ours", module="ours_app", needs=(), workers=(("tests.benchmarks.peers.ours_app",),))
WORKLOAD = Workload(
    name="P1",
    title="From adding in one process to executing in another that is idle, median",
    unit="ms",
    less_is_better=True,
    contenders=(
        Contender("ours", "scheduler_app, SQLite", "on disk before it is seen (WAL, FULL)"),
        Contender(ON_POSTGRESQL, "scheduler_app, PostgreSQL", "on disk before it is seen", POSTGRESQL),
        *(
            contender
            for contender in brokers.contenders(keeps=dict.fromkeys(brokers.ON_VALKEY, "queued when it returns"))
            if contender.key not in brokers.ON_VALKEY
        ),
        Contender("procrastinate", "procrastinate", "on disk before it is seen", brokers.PROCRASTINATE.needs),
    ),
    settings={
        "adding": f"one process, {GAP * 1e3:g} ms between two calls in the mean, half to one and a half of it",
        "ours": "delay(); the adding process has no engine; LISTEN on PostgreSQL, on SQLite a file that is watched",
        "peers": "workers as in E1, as they come: some wait at the broker, Huey on SQLite looks ever less often",
        "apscheduler": "left out: a scheduler does not see what another process has added",
    },
    targets=tuple(
        Target(of=key, figure=figure, at_most=most)
        for key in ("ours", ON_POSTGRESQL)
        for figure, most in (("rate", 60), ("p99_ms", 250))
    ),
)


class Between:
    """Two processes and what they share."""

    workload = WORKLOAD

    def prepare(self, _contender: str, _folder: Path, _jobs: int) -> None:
        """Every round has a new store; there is nothing to prepare."""

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Add and execute."""
        if contender == "ours":
            return ages_of(OURS, folder, jobs, url_of(folder / "store.db"))
        if contender == ON_POSTGRESQL:
            return ages_of(OURS, folder, jobs, databases.empty("between"))
        if contender == "procrastinate":
            databases.empty(contender)
        with brokers.broker(contender, folder) as (address, _):
            return ages_of(PEERS[contender], folder, jobs, address)


def ages_of(peer: Peer, folder: Path, jobs: int, address: str) -> Measured:
    """Let the workers get warm, add one by one, and return how old each was when it began."""
    marks = Marks(folder / "executed")
    variables = {"BROKER": address, "EXECUTED": str(marks.file)}
    brokers.add(peer, WARM, **variables)
    with brokers.workers(peer, folder, **variables):
        marks.wait_for(WARM, time.monotonic() + SECONDS)
        brokers.add(peer, jobs, gap=GAP, **variables)
        marks.wait_for(WARM + jobs, time.monotonic() + SECONDS)
    ages = sorted(age * 1e3 for age in marks.ages()[WARM:])
    cuts = quantiles(ages, n=100, method="inclusive")
    return Measured(rate=cuts[49], more={"p99_ms": cuts[98], "max_ms": ages[-1]})
