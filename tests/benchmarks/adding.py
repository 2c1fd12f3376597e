"""Workload S3: jobs added within a process, one a call, from one thread and from eight."""

from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import StepError, result_of
from tests.benchmarks.workload import Contender, Measured, Workload

SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Adding:
    """The workload, from so many threads."""

    threads: int

    @property
    def workload(self) -> Workload:
        """What is measured."""
        return Workload(
            name=f"S3-{self.threads}",
            title=f"Add in process from {self.threads} thread{'s' * (self.threads > 1)}, one date job a call",
            unit="jobs/s",
            contenders=(
                Contender("ours", "scheduler_app add_job, SQLite", "on disk when it returns (WAL, FULL)"),
                Contender("ours-delay", "scheduler_app delay(), SQLite", "on disk when it returns (WAL, FULL)"),
                Contender("aps-memory", "APScheduler add_job, memory", "nothing outlives the process"),
                Contender("aps-sqlite", "APScheduler add_job, SQLite", "on disk when it returns (rollback, FULL)"),
                Contender("sqlite", "raw commits of one row, 1 thread", "on disk (WAL, FULL); no scheduler at all"),
            ),
            settings={
                "jobs": "trigger date in a year, ids given by the caller; of delay() a run each, which no engine takes",
                "peers": "BackgroundScheduler, started, as shipped",
            },
        )

    def prepare(self, _contender: str, _folder: Path, _jobs: int) -> None:
        """Every round has a new store; there is nothing to prepare."""

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Add in a fresh process."""
        arguments = [contender, str(folder / "store.db"), str(jobs), str(self.threads)]
        added = result_of("adders", arguments, seconds=SECONDS)
        if added["kept"] != jobs:
            raise StepError(f"{added['kept']} jobs are there, not {jobs}")
        more = {"cpu_us_each": added["cpu_seconds"] / jobs * 1e6, "peak_mib": added["peak_mib"]}
        return Measured(rate=jobs / added["seconds"], more=more)
