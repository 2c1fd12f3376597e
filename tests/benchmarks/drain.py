"""Workloads E1 and E2: due jobs, all there when the scheduler starts, executed to the last."""

from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import StepError, result_of
from tests.benchmarks.workload import Contender, Measured, Workload

FILL_SECONDS = 300.0
DRAIN_SECONDS = 300.0
CONTENDERS = (
    Contender("ours", "scheduler_app, SQLite", "claims, results, history on disk (WAL, FULL); at least once"),
    Contender("aps-memory", "APScheduler, memory", "nothing outlives the process; no history"),
    Contender("aps-sqlite", "APScheduler, SQLite", "jobs on disk (rollback, FULL); at most once; no history"),
)
CEILINGS = (Contender("sqlite", "plain sqlite3 loop", "as ours, with none of the policies"),)
SETTINGS = {
    "threads": "10 each (our default, and APScheduler's)",
    "ours": "Scheduler(app) with SCHEDULER_DATABASE and nothing else; until the last result is committed",
    "peers": "BackgroundScheduler, misfire_grace_time=None, else it drops what is late by 1 s; a job has one "
    "execution, so max_instances refuses none; until the last function has returned",
}
ONCE = Workload(
    name="E1",
    title="Drain of due one-offs, no-op task",
    unit="jobs/s",
    contenders=CONTENDERS,
    ceilings=CEILINGS,
    settings=SETTINGS
    | {"jobs": "date triggers of 2026-01-01, one execution each; the store is filled by another process and copied"},
)
YEARLY = Workload(
    name="E2",
    title="Recurring jobs due at one time, no-op task",
    unit="jobs/s",
    contenders=CONTENDERS,
    ceilings=CEILINGS,
    settings=SETTINGS
    | {"jobs": "intervals of 52 weeks, all due at 2026-01-01 and not again; the store is filled and copied as in E1"},
)


@dataclass(frozen=True, kw_only=True)
class Drain:
    """A drain of one kind of jobs."""

    workload: Workload
    kind: str

    def prepare(self, contender: str, folder: Path, jobs: int) -> None:
        """Make a filled store."""
        arguments = [contender, "fill", str(folder / "store.db"), str(jobs), self.kind]
        result_of("drainers", arguments, seconds=FILL_SECONDS)

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Drain a filled store in a fresh process."""
        arguments = [contender, "drain", str(folder / "store.db"), str(jobs), self.kind]
        drained = result_of("drainers", arguments, seconds=DRAIN_SECONDS)
        if drained["fault"]:
            raise StepError(drained["fault"])
        return Measured(
            rate=jobs / drained["seconds"],
            more={
                "executed_rate": jobs / drained["executed_seconds"],
                "executed_s": drained["executed_seconds"],
                "cpu_us_each": drained["cpu_seconds"] / jobs * 1e6,
                "peak_mib": drained["peak_mib"],
            },
        )
