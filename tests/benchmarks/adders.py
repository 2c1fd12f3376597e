"""What adds jobs within its process: `python -m tests.benchmarks.adders CONTENDER URL N THREADS`.

Prints what it took as one line of JSON. Each job has a date a year ahead, so that nothing executes meanwhile.
"""

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

from scheduler_app import Scheduler
from tests.benchmarks import ceiling
from tests.benchmarks.drainers import aps_scheduler, file_of, ours_on, peak_mib, row_of
from tests.benchmarks.work import noop

WHEN = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)
WARM_UP = 100
Add = Callable[[int], object]
Count = Callable[[], int]


def ours(store: str) -> tuple[Add, Count]:
    """Add through `add_job`, as Flask-APScheduler's users do."""
    scheduler = _scheduler(store)
    return lambda number: scheduler.add_job(f"job-{number}", "noop", trigger="date", run_date=WHEN), _kept(store)


def ours_delay(store: str) -> tuple[Add, Count]:
    """Queue runs through `delay()`; no engine runs, so none begins."""
    scheduler = _scheduler(store)
    task = scheduler.task(noop)
    return lambda _: task.delay(), _kept(store)


def _scheduler(store: str) -> Scheduler:
    scheduler = ours_on(store)
    scheduler.core.open()
    return scheduler


def _kept(store: str) -> Count:
    return lambda: int(row_of(store, "SELECT count(*) FROM scheduler_jobs")[0])


def aps_memory(_store: str) -> tuple[Add, Count]:
    """Add to APScheduler's default store."""
    return _aps(MemoryJobStore())


def aps_sql(store: str) -> tuple[Add, Count]:
    """Add to its SQLAlchemyJobStore as shipped."""
    return _aps(SQLAlchemyJobStore(store))


def _aps(jobstore: Any) -> tuple[Add, Count]:
    scheduler = aps_scheduler(jobstore)
    scheduler.start()
    return (
        lambda number: scheduler.add_job(noop, "date", run_date=WHEN, id=f"job-{number}"),
        lambda: len(scheduler.get_jobs()),
    )


def raw_commits(store: str) -> tuple[Add, Count]:
    """Commit one row at a time, with nothing around it; one thread only."""
    connection = ceiling.connect(file_of(store))
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT)")
    add = "INSERT INTO rows (text) VALUES (?)"
    return lambda _: connection.execute(add, ("x" * 300,)), lambda: int(row_of(store, "SELECT count(*) FROM rows")[0])


def peer(module: str) -> tuple[Add, Count]:
    """Add through the client of a peer; BROKER says where, and no worker runs."""
    program = importlib.import_module(f"tests.benchmarks.peers.{module}")
    return lambda _: program.add(time.monotonic()), program.waiting


ADDERS: dict[str, Callable[[str], tuple[Add, Count]]] = {
    "ours": ours,
    "ours-delay": ours_delay,
    "aps-memory": aps_memory,
    "aps-sqlite": aps_sql,
    "aps-postgresql": aps_sql,
    "sqlite": raw_commits,
}


def run(add: Add, numbers: range, threads: int) -> None:
    """Add so many jobs from so many threads."""

    def some(first: int) -> None:
        for number in numbers[first::threads]:
            add(number)

    adding = [threading.Thread(target=some, args=(first,)) for first in range(threads)]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()


def main(contender: str, store: str, jobs: str, threads: str) -> None:
    """Add, count, and tell."""
    total, many = int(jobs), 1 if contender == "sqlite" else int(threads)
    add, count = ADDERS[contender](store) if contender in ADDERS else peer(contender)
    run(add, range(total, total + WARM_UP), many)
    cpu, start = time.process_time(), time.perf_counter()
    run(add, range(total), many)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    told = {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak_mib(), "kept": count() - WARM_UP}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
