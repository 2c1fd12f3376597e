"""Many stored jobs, each in a process of its own: `python -m tests.benchmarks.crowds CONTENDER STORE N RATE SECONDS`.

The jobs are intervals, evenly spread, so that RATE of them are due a second whatever N is. Each carries when it is due
first, so that its own task says how late it is, in the same way for every contender.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.clock import SystemClock, from_micros, to_micros
from tests import bulk
from tests.benchmarks.drainers import THREADS, aps_scheduler
from tests.benchmarks.memory import resident_mib

SETTLING = 5.0
TICK = """
json_object('seconds', {every} / 1e6, 'type', 'interval', 'timezone', 'UTC', 'start_date',
    strftime('%Y-%m-%dT%H:%M:%S', ({first}) / 1000000, 'unixepoch') || printf('.%06d+00:00', ({first}) % 1000000))
"""


class Lateness:
    """Hears from each execution how late it is, in microseconds; what is late by a whole interval would look early."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.found: list[int] = []

    def add(self, first: int) -> None:
        """Note how late a job is whose first time is known."""
        self.found.append((time.time_ns() // 1000 - first) % self.every)


def columns_of(jobs: int, rate: int) -> dict[str, str]:
    """Return the columns of jobs that are due evenly."""
    every = interval(jobs, rate)
    first = f":now + n * {every} / {jobs}"
    return {
        "task": "'tick'",
        "name": "'tick'",
        "kwargs": f"json_object('first', {first})",
        "trigger": TICK.format(every=every, first=first),
        "trigger_type": "'interval'",
        "tags": "'[]'",
        "state": "'active'",
        "reason": "NULL",
        "next_run_time": first,
        "created_at": ":now",
        "updated_at": ":now",
    }


def interval(jobs: int, rate: int) -> int:
    """Return every how many microseconds each job is due."""
    return jobs * bulk.SECOND // rate


def catch_up(store: Path, jobs: int, rate: int, now: int) -> None:
    """Let no job of a store be overdue, as if an engine had worked all the time until now."""
    every = interval(jobs, rate)
    with closing(sqlite3.connect(store, isolation_level=None)) as file:
        file.execute("PRAGMA synchronous = OFF")
        first = "json_extract(kwargs, '$.first')"
        file.execute(
            f"UPDATE scheduler_jobs SET next_run_time = {first} + ((? - {first}) / ? + 1) * ? WHERE next_run_time < ?",
            (now, every, every, now),
        )
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def ours(store: Path, jobs: int, rate: int) -> tuple[Callable[[], object], Callable[[], object], Lateness]:
    """Return how our engine is started and stopped, as `Scheduler(app)` makes it, and what hears of its lateness."""
    lateness = Lateness(interval(jobs, rate))
    app = Flask("benchmark", instance_path=str(store.parent.absolute()))
    app.config.update(SCHEDULER_DATABASE=f"sqlite:///{store.absolute()}", SCHEDULER_THREADS=THREADS)
    scheduler = Scheduler(app)

    @scheduler.task
    def tick(first: int) -> None:
        lateness.add(first)

    catch_up(store, jobs, rate, to_micros(SystemClock().now()) + 2 * bulk.SECOND)
    return scheduler.start, scheduler.core.close, lateness


def aps_memory(_store: Path, jobs: int, rate: int) -> tuple[Callable[[], object], Callable[[], object], Lateness]:
    """Return the same of APScheduler on its memory store."""
    lateness = Lateness(interval(jobs, rate))
    scheduler = aps_scheduler(MemoryJobStore())
    now = to_micros(SystemClock().now()) + jobs * 60 + 3 * bulk.SECOND
    for number in range(jobs):
        _add(scheduler, lateness, number, now + number * lateness.every // jobs)
    return scheduler.start, lambda: scheduler.shutdown(wait=False), lateness


def _add(scheduler: BackgroundScheduler, lateness: Lateness, number: int, first: int) -> None:
    at, seconds = from_micros(first), timedelta(microseconds=lateness.every).total_seconds()
    scheduler.add_job(
        lateness.add,
        "interval",
        seconds=seconds,
        start_date=at,
        next_run_time=at,
        id=f"job-{number}",
        args=(first,),
    )


CONTENDERS = {"ours": ours, "aps-memory": aps_memory}


def main(contender: str, store: str, jobs: str, rate: str, seconds: str) -> dict[str, Any]:
    """Let jobs fire, some seconds unmeasured and then for as long as is wanted, and say how late they were."""
    start, stop, lateness = CONTENDERS[contender](Path(store), int(jobs), int(rate))
    start()
    _until_first(lateness)
    time.sleep(SETTLING)
    lateness.found.clear()
    cpu, begin = time.process_time(), time.perf_counter()
    time.sleep(float(seconds))
    late, took = sorted(lateness.found), time.perf_counter() - begin
    cpu = time.process_time() - cpu
    memory = resident_mib()
    stop()
    ms = [value / 1000 for value in late] or [float("nan")]
    return {
        "executed": len(late) / took,
        "p50_ms": median(ms),
        "p99_ms": ms[int(len(ms) * 0.99)],
        "max_ms": ms[-1],
        "cpu_percent": cpu / took * 100,
        "resident_mib": memory,
    }


def _until_first(lateness: Lateness) -> None:
    limit = time.monotonic() + 120
    while not lateness.found and time.monotonic() < limit:
        time.sleep(0.05)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])), flush=True)
