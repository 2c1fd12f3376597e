"""What the disk and the interpreter allow: due jobs fired, claimed and settled by plain sqlite3 in batches.

It keeps what our engine keeps (a run for each firing, its times, its state, in WAL with synchronous=FULL, one
transaction a batch) and nothing else: no policies, no retries, no rescue, no second process. It bounds and does not
compete.
"""

import sqlite3
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from tests.benchmarks.work import noop

BATCH = 250
TABLES = """
CREATE TABLE jobs (id TEXT PRIMARY KEY, next_run_time REAL);
CREATE INDEX jobs_due ON jobs (next_run_time) WHERE next_run_time IS NOT NULL;
CREATE TABLE runs (id INTEGER PRIMARY KEY, job TEXT, scheduled_at REAL, state TEXT, started_at REAL, finished_at REAL,
                   UNIQUE (job, scheduled_at));
"""
DUE = "SELECT id, next_run_time FROM jobs WHERE next_run_time <= ? ORDER BY next_run_time LIMIT ?"
FIRE = "INSERT INTO runs (job, scheduled_at, state) VALUES (?, ?, 'running') RETURNING id"
ADVANCE = "UPDATE jobs SET next_run_time = NULL WHERE id = ?"
SETTLE = "UPDATE runs SET state = 'succeeded', started_at = ?, finished_at = ? WHERE id = ? AND state = 'running'"
Ended = tuple[float, float, int]


def fill(store: Path, jobs: int) -> None:
    """Make a store of due jobs."""
    with closing(connect(store)) as connection:
        connection.executescript(TABLES)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO jobs VALUES (?, 0)", ((f"job-{number}",) for number in range(jobs)))
        connection.execute("COMMIT")


def connect(store: Path) -> sqlite3.Connection:
    """Open a store as ours is opened."""
    connection = sqlite3.connect(store, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class Loop(threading.Thread):
    """Settles what has ended, fires and claims a batch, commits, executes it on threads; until nothing is due."""

    def __init__(self, store: Path, threads: int) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self._store = store
        self._threads = threads

    def run(self) -> None:
        with closing(connect(self._store)) as connection, ThreadPoolExecutor(self._threads) as pool:
            ended: list[Ended] = []
            while (claimed := turn(connection, ended)) or ended:
                ended = list(pool.map(execute, claimed))
        self.ended.set()


def turn(connection: sqlite3.Connection, ended: Iterable[Ended]) -> list[int]:
    """Do one transaction and return the runs that it claimed."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(SETTLE, ended)
    due = connection.execute(DUE, (time.time(), BATCH)).fetchall()
    claimed = [int(connection.execute(FIRE, job).fetchone()[0]) for job in due]
    connection.executemany(ADVANCE, ((job,) for job, _ in due))
    connection.execute("COMMIT")
    return claimed


def execute(run: int) -> Ended:
    """Execute a run."""
    started = time.time()
    noop()
    return started, time.time(), run
