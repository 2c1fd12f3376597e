"""Workload S3: jobs added within a process, one a call, from one thread and from eight."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import brokers, databases
from tests.benchmarks.brokers import PEERS, PROCRASTINATE
from tests.benchmarks.drain import POSTGRESQL
from tests.benchmarks.drainers import url_of
from tests.benchmarks.processes import StepError, result_of
from tests.benchmarks.workload import Contender, Measured, Target, Workload

SECONDS = 300.0
SYNCED = "on disk when it returns (WAL, FULL)"
ON_SQLITE = (
    Contender("ours", "scheduler_app add_job, SQLite", SYNCED),
    Contender("ours-delay", "scheduler_app delay(), SQLite", SYNCED),
    Contender("aps-memory", "APScheduler add_job, memory", "nothing outlives the process"),
    Contender("aps-sqlite", "APScheduler add_job, SQLite", "on disk when it returns (rollback, FULL)"),
    *brokers.contenders(keeps=dict.fromkeys(brokers.ON_VALKEY, "queued when it returns")),
)
RAW = Contender("sqlite", "raw commits of one row, 1 thread", "on disk (WAL, FULL); no scheduler at all")
ON_POSTGRESQL = tuple(
    Contender(key, label, "on disk when it returns", needs)
    for key, label, needs in (
        ("ours", "scheduler_app add_job, PostgreSQL", POSTGRESQL),
        ("ours-delay", "scheduler_app delay(), PostgreSQL", POSTGRESQL),
        ("aps-postgresql", "APScheduler add_job, PostgreSQL", POSTGRESQL),
        ("procrastinate", "procrastinate defer", PROCRASTINATE.needs),
    )
)


@dataclass(frozen=True, kw_only=True)
class Adding:
    """The workload, from so many threads, to a file or to PostgreSQL."""

    threads: int
    is_on_postgresql: bool = False

    @property
    def workload(self) -> Workload:
        """What is measured."""
        where = " to PostgreSQL" if self.is_on_postgresql else ""
        return Workload(
            name=f"S3-{self.threads}{'-PG' * self.is_on_postgresql}",
            title=f"Add in process{where} from {self.threads} thread{'s' * (self.threads > 1)}, one date job a call",
            unit="jobs/s",
            contenders=ON_POSTGRESQL if self.is_on_postgresql else ON_SQLITE,
            ceilings=() if self.is_on_postgresql else (RAW,),
            settings={
                "jobs": "trigger date in a year, ids given by the caller; of delay() a run each, which no engine takes",
                "apscheduler": "BackgroundScheduler, started, as shipped",
                "brokers' peers": "one message a call that no worker takes, results off; Valkey as in E1",
            },
            targets=() if self.is_on_postgresql else self._targets,
        )

    @property
    def _targets(self) -> tuple[Target, ...]:
        least = 0.5 if self.threads == 1 else 1
        return tuple(Target(of=ours, at_least=least, against=(RAW.key,)) for ours in ("ours", "ours-delay"))

    def prepare(self, _contender: str, _folder: Path, _jobs: int) -> None:
        """Every round has a new store; there is nothing to prepare."""

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Add in a fresh process."""
        added = (self._by_peer if contender in PEERS else self._by_scheduler)(contender, folder, jobs)
        if added["kept"] != jobs:
            raise StepError(f"{added['kept']} jobs are there, not {jobs}")
        more = {"cpu_us_each": added["cpu_seconds"] / jobs * 1e6, "peak_mib": added["peak_mib"]}
        return Measured(rate=jobs / added["seconds"], more=more)

    def _by_scheduler(self, contender: str, folder: Path, jobs: int) -> Mapping[str, Any]:
        store = databases.empty("adding") if self.is_on_postgresql else url_of(folder / "store.db")
        return result_of("adders", [contender, store, str(jobs), str(self.threads)], seconds=SECONDS)

    def _by_peer(self, contender: str, folder: Path, jobs: int) -> Mapping[str, Any]:
        if contender == "procrastinate":
            databases.empty(contender)
        with brokers.broker(contender, folder) as (address, _):
            words = [PEERS[contender].module, address, str(jobs), str(self.threads)]
            return result_of("adders", words, seconds=SECONDS, BROKER=address)
