"""Workload E1: due one-offs, all there when the scheduler starts, executed to the last."""

from pathlib import Path

from tests.benchmarks.processes import StepError, result_of
from tests.benchmarks.workload import Contender, Measured, Workload

FILL_SECONDS = 300.0
DRAIN_SECONDS = 300.0

WORKLOAD = Workload(
    name="E1",
    title="Drain of due one-offs, no-op task",
    unit="jobs/s",
    contenders=(
        Contender("ours", "scheduler_app, SQLite", "claims, results, history on disk (WAL, FULL); at least once"),
        Contender("aps-memory", "APScheduler, memory", "nothing outlives the process; no history"),
        Contender("aps-sqlite", "APScheduler, SQLite", "jobs on disk (rollback, FULL); at most once; no history"),
    ),
    ceilings=(Contender("sqlite", "plain sqlite3 loop", "as ours, with none of the policies"),),
    settings={
        "threads": "10 each (our default, and APScheduler's)",
        "jobs": "date triggers of 2026-01-01, one execution each; the store is filled by another process and copied",
        "ours": "Scheduler(app) with SCHEDULER_DATABASE and nothing else; until the last result is committed",
        "peers": "BackgroundScheduler, misfire_grace_time=None, else it drops what is late by 1 s; a job has one "
        "execution, so max_instances refuses none; until the last function has returned",
    },
)


def prepare(contender: str, folder: Path, jobs: int) -> None:
    """Make a filled store."""
    result_of("drainers", [contender, "fill", str(folder / "store.db"), str(jobs)], seconds=FILL_SECONDS)


def measure(contender: str, folder: Path, jobs: int) -> Measured:
    """Drain a filled store in a fresh process."""
    arguments = [contender, "drain", str(folder / "store.db"), str(jobs)]
    drained = result_of("drainers", arguments, seconds=DRAIN_SECONDS)
    if drained["fault"]:
        raise StepError(drained["fault"])
    return Measured(
        rate=jobs / drained["seconds"],
        more={
            "executed_rate": jobs / drained["executed_seconds"],
            "cpu_us_each": drained["cpu_seconds"] / jobs * 1e6,
            "peak_mib": drained["peak_mib"],
        },
    )
