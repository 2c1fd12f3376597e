"""What drains, each in a process of its own: `python -m tests.benchmarks.drainers CONTENDER fill|drain URL N KIND`.

`fill` makes a store of N due jobs, `once` or `yearly`, which is not measured; `drain` executes them from a copy of it
and prints what it took as one line of JSON. The clock starts with the call that lets the scheduler work, and stops with
the last end: ours when the last result is committed, the peers' already when the last function returns, since they
record nothing.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from apscheduler.executors.pool import ThreadPoolExecutor as ApsPool
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy import create_engine, event, text

from scheduler_app import Scheduler
from scheduler_app.store.tables import OPEN_RUNS
from tests.benchmarks import ceiling
from tests.benchmarks.work import noop, tally

DUE = datetime(2026, 1, 1, tzinfo=UTC)
# what is yearly has one firing that is due, and goes on after it
KINDS: dict[str, dict[str, Any]] = {
    "once": {"trigger": "date", "run_date": DUE},
    "yearly": {"trigger": "interval", "weeks": 52, "start_date": DUE, "next_run_time": DUE},
}
THREADS = 10
FILLERS = 8
LONGEST = 240.0
LOOK_EVERY = 0.002


@dataclass(frozen=True, kw_only=True)
class Drained:
    """What a drain took: seconds until all was done, until the last function returned; and what the store says."""

    seconds: float
    executed_seconds: float
    cpu_seconds: float
    peak_mib: float
    executed: int
    fault: str | None


class Drainer(Protocol):
    """A contender, made for a kind of jobs."""

    def __init__(self, kind: str) -> None: ...

    def fill(self, store: str, jobs: int) -> None:
        """Make a store of due jobs."""

    def drain(self, store: str, jobs: int) -> Drained:
        """Execute them all."""


class Ours:
    """Our engine as `Scheduler(app)` makes it: synchronous=FULL on SQLite, each run kept as history."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def fill(self, store: str, jobs: int) -> None:
        """Add the jobs from several threads, which share commits."""
        scheduler = ours_on(store)
        with ThreadPoolExecutor(FILLERS) as pool:
            for added in [pool.submit(self._add, scheduler, number) for number in range(jobs)]:
                added.result()
        scheduler.core.close()

    def _add(self, scheduler: Scheduler, number: int) -> None:
        scheduler.add_job(f"job-{number}", "noop", **KINDS[self._kind])

    def drain(self, store: str, jobs: int) -> Drained:
        """Start the engine and wait until every run is settled on disk."""
        scheduler = ours_on(store)
        core = scheduler.core
        core.open()
        drained = measured(
            jobs, scheduler.start, lambda: has_executed() and all_settled(store), lambda: fault_of(store, jobs)
        )
        core.close()
        return drained


def all_settled(store: str) -> bool:
    """Wait, after the last function has returned, for its result to be on disk; whether that was in time."""
    limit = time.monotonic() + LONGEST
    while row_of(store, f"SELECT count(*) FROM scheduler_runs WHERE {OPEN_RUNS}")[0]:
        if time.monotonic() > limit:
            return False
        time.sleep(LOOK_EVERY)
    return True


def fault_of(store: str, jobs: int) -> str | None:
    """Return what is wrong with a drained store of ours, if anything."""
    succeeded = "count(*) FILTER (WHERE state = 'succeeded')"
    found = row_of(store, f"SELECT count(*), count(DISTINCT job_key), {succeeded} FROM scheduler_runs")
    return None if found == (jobs, jobs, jobs) else f"runs, jobs, succeeded: {found}, not {jobs} each"


class ApsMemory:
    """APScheduler's BackgroundScheduler on its default store: nothing outlives the process."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def fill(self, store: str, jobs: int) -> None:
        """Leave it to the drain: the store is the process."""

    def drain(self, store: str, jobs: int) -> Drained:
        """Let a paused scheduler go and wait for the last function to return."""
        scheduler = self._scheduler(store)
        scheduler.start(paused=True)
        self._before(scheduler, jobs)
        drained = measured(jobs, scheduler.resume, has_executed, lambda: self._fault(scheduler, jobs))
        scheduler.shutdown()
        return drained

    def _before(self, scheduler: BackgroundScheduler, jobs: int) -> None:
        add_all(scheduler, jobs, self._kind)

    def _scheduler(self, store: str) -> BackgroundScheduler:
        return aps_scheduler(MemoryJobStore())

    def _fault(self, scheduler: BackgroundScheduler, jobs: int) -> str | None:
        left, expected = len(scheduler.get_jobs()), 0 if self._kind == "once" else jobs
        return f"{left} jobs are left, not {expected}" if left != expected else None


class ApsSql(ApsMemory):
    """The same on its SQLAlchemyJobStore as shipped, a commit for each job; on SQLite rollback journal and FULL."""

    def fill(self, store: str, jobs: int) -> None:
        """Add the jobs without waiting for the disk, which the drain does again.

        The process ends without `shutdown`, which makes a paused scheduler fire what is due.
        """
        engine = create_engine(store)
        hurried = "PRAGMA synchronous = OFF" if store.startswith("sqlite") else "SET synchronous_commit = off"
        event.listen(engine, "connect", lambda connection, _: connection.execute(hurried))
        scheduler = aps_scheduler(SQLAlchemyJobStore(engine=engine))
        scheduler.start(paused=True)
        add_all(scheduler, jobs, self._kind)
        engine.dispose()

    def _before(self, scheduler: BackgroundScheduler, jobs: int) -> None:
        """Take the jobs that `fill` stored."""

    def _scheduler(self, store: str) -> BackgroundScheduler:
        return aps_scheduler(SQLAlchemyJobStore(store))


class PlainSqlite:
    """No scheduler: the least that keeps the same records, whatever the kind."""

    def __init__(self, kind: str) -> None:
        pass

    def fill(self, store: str, jobs: int) -> None:
        """Make the store."""
        ceiling.fill(file_of(store), jobs)

    def drain(self, store: str, jobs: int) -> Drained:
        """Run the loop until nothing is due."""
        loop = ceiling.Loop(file_of(store), THREADS)
        return measured(jobs, loop.start, lambda: loop.ended.wait(LONGEST), lambda: self._fault(store, jobs))

    def _fault(self, store: str, jobs: int) -> str | None:
        found = row_of(store, "SELECT count(*) FROM runs WHERE state = 'succeeded'")[0]
        return None if found == jobs else f"{found} runs succeeded, not {jobs}"


def aps_scheduler(store: Any) -> BackgroundScheduler:
    """Return a scheduler with as many threads as ours, that drops nothing which is late, as its FAQ advises."""
    return BackgroundScheduler(
        jobstores={"default": store},
        executors={"default": ApsPool(THREADS)},
        job_defaults={"misfire_grace_time": None},
        timezone="UTC",
    )


def add_all(scheduler: BackgroundScheduler, jobs: int, kind: str) -> None:
    """Add due jobs."""
    for number in range(jobs):
        scheduler.add_job(noop, id=f"job-{number}", **KINDS[kind])


def ours_on(store: str, task: Callable[[], None] = noop) -> Scheduler:
    """Return our scheduler on a store, which knows the task, called noop."""
    app = Flask("benchmark", instance_path=tempfile.gettempdir())
    app.config.update(SCHEDULER_DATABASE=store, SCHEDULER_THREADS=THREADS)
    scheduler = Scheduler(app)
    scheduler.task(name="noop")(task)
    return scheduler


def url_of(file: Path) -> str:
    """Return the SQLAlchemy URL of a file."""
    return f"sqlite:///{file.absolute()}"


def file_of(store: str) -> Path:
    """Return the file that the URL of an SQLite store names."""
    return Path(store.removeprefix("sqlite:///"))


def has_executed() -> bool:
    """Wait for the last function to return; whether that was in time."""
    return tally.ended.wait(LONGEST)


def measured(
    jobs: int, begin: Callable[[], object], has_ended: Callable[[], bool], fault: Callable[[], str | None]
) -> Drained:
    """Let the work begin, wait until it has ended, and say what it took; `has_ended` waits, for a time."""
    tally.wanted = jobs
    cpu, start = time.process_time(), time.perf_counter()
    begin()
    in_time = has_ended()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    time.sleep(0.2)
    executed = tally.total()
    wrong = f"not over after {LONGEST:g} s" if not in_time else None if executed == jobs else f"{executed} executed"
    return Drained(
        seconds=seconds,
        executed_seconds=tally.last_at - start,
        cpu_seconds=cpu,
        peak_mib=peak_mib(),
        executed=executed,
        fault=wrong or fault(),
    )


def peak_mib() -> float:
    """Return the most memory that this process had."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def row_of(store: str, query: str) -> tuple[Any, ...]:
    """Return the one row that a query gives."""
    engine = create_engine(store)
    with engine.connect() as connection:
        row = tuple(connection.execute(text(query)).one())
    engine.dispose()
    return row


DRAINERS: dict[str, Callable[[str], Drainer]] = {
    "ours": Ours,
    "aps-memory": ApsMemory,
    "aps-sqlite": ApsSql,
    "aps-postgresql": ApsSql,
    "sqlite": PlainSqlite,
}


def main(contender: str, action: str, store: str, jobs: str, kind: str) -> None:
    """Fill or drain."""
    drainer = DRAINERS[contender](kind)
    if action == "fill":
        drainer.fill(store, int(jobs))
    else:
        print(json.dumps(asdict(drainer.drain(store, int(jobs)))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
