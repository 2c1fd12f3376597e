"""Workloads L1 and L2: how late jobs start, what that costs and how much memory it takes, by how many are stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scheduler_app.clock import SystemClock, to_micros
from tests import bulk
from tests.benchmarks import crowds
from tests.benchmarks.processes import StepError, result_of
from tests.benchmarks.workload import Contender, Measured, Workload

SECONDS = 20
LONGEST = 300.0
SIZES = (1_000, 100, 10, 1)
MOST_IN_MEMORY = 100_000
EXPECTED = 0.8


@dataclass(frozen=True, kw_only=True)
class Late:
    """The workload with so many jobs due a second; the largest store has `jobs`, the others a tenth of the next one."""

    rate: int

    @property
    def workload(self) -> Workload:
        """What is measured."""
        return Workload(
            name=f"L1-{self.rate}",
            title=f"Lateness and memory with {self.rate} jobs due a second",
            unit="jobs/s",
            contenders=tuple(self._contenders()),
            settings={
                "jobs": "intervals, evenly spread, in stores of four sizes, none smaller than what is due in a second",
                "figures": f"from the due time to the first line of the task, over {SECONDS} s; memory at their end",
                "peers": "BackgroundScheduler on its memory store, misfire_grace_time=None, up to 100,000 jobs",
            },
        )

    def _contenders(self) -> Iterator[Contender]:
        for part in SIZES:
            share = "all of the jobs" if part == 1 else f"1/{part:,} of the jobs"
            yield Contender(f"ours-{part}", f"scheduler_app, {share}", "claims, results, history on disk (WAL, FULL)")
            yield Contender(f"aps-memory-{part}", f"APScheduler memory, {share}", "nothing outlives the process")

    def prepare(self, contender: str, folder: Path, jobs: int) -> None:
        """Fill a store beside the folder, which no round copies."""
        name, _, part = contender.rpartition("-")
        if name != "ours":
            return
        number = self._number(jobs, part)
        content = bulk.Content(
            now=to_micros(SystemClock().now()), jobs=number, columns=crowds.columns_of(number, self.rate)
        )
        bulk.fill(folder.parent / f"{part}.db", content)

    def _number(self, jobs: int, part: str) -> int:
        return max(self.rate, jobs // int(part))

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Let the jobs fire in a process of its own."""
        name, _, part = contender.rpartition("-")
        number = self._number(jobs, part)
        if name != "ours" and number > MOST_IN_MEMORY:
            return Measured(rate=0.0)
        arguments = [name, str(folder.parent / f"{part}.db"), str(number), str(self.rate), str(SECONDS)]
        found = result_of("crowds", arguments, seconds=LONGEST)
        if found["executed"] < EXPECTED * self.rate:
            raise StepError(f"{found['executed']:.1f} jobs a second were executed, not {self.rate}")
        return Measured(rate=found["executed"], more={key: found[key] for key in found if key != "executed"})
