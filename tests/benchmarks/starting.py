"""Workload L3: how long after a start on a full store the first due run starts, one or all jobs being overdue."""

import time
from pathlib import Path

from scheduler_app.clock import SystemClock, to_micros
from tests import bulk
from tests.benchmarks import crowds
from tests.benchmarks.processes import result_of
from tests.benchmarks.workload import Contender, Measured, Workload

LONGEST = 120.0
RATE = 1
DURABILITY = "each start on a fresh copy of the store"
WORKLOAD = Workload(
    name="L3",
    title="From the start of a process to its first due run",
    unit="starts/s",
    contenders=(
        Contender("one", "scheduler_app, one job overdue", DURABILITY),
        Contender("all", "scheduler_app, all jobs overdue", DURABILITY),
    ),
    settings={
        "jobs": "intervals; those that are not overdue are due in an hour and later",
        "figures": "from when the process is asked for, and from the call of start(), to the first line of a task",
    },
)


class Starts:
    """The workload."""

    workload = WORKLOAD

    def prepare(self, contender: str, folder: Path, jobs: int) -> None:
        """Fill a store of which each round gets a copy."""
        now = to_micros(SystemClock().now())
        later = f":now + CASE WHEN n = {jobs // 2} THEN -1 ELSE 1 END * {3600 * bulk.SECOND} + n"
        due = later if contender == "one" else f":now - {3600 * bulk.SECOND} + n"
        columns = crowds.columns_of(jobs, RATE) | {"next_run_time": due}
        bulk.fill(folder / "store.db", bulk.Content(now=now, jobs=jobs, columns=columns))

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Start a process on the store, and let it end after the first run."""
        found = result_of("first_run", [str(folder / "store.db"), str(time.time())], seconds=LONGEST)
        return Measured(rate=1000 / found["process_ms"], more=found)
