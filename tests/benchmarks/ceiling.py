"""What the disk and the interpreter allow: due jobs fired, claimed and settled by plain sqlite3 in batches.

It keeps what our engine keeps (a run for each firing with its task, arguments, token, lease, times and state, in WAL
with synchronous=FULL, one transaction a batch, threads that work while the next is written) and nothing else: no
policies, no retries, no rescue, no second process. It bounds and does not compete.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

from tests.benchmarks.work import noop

BATCH = 250
LEASE = 30.0
TABLES = """
CREATE TABLE jobs (id TEXT PRIMARY KEY, task TEXT, kwargs TEXT, trigger TEXT, state TEXT, version INTEGER,
                   next_run_time REAL);
CREATE INDEX jobs_due ON jobs (next_run_time) WHERE state = 'active';
CREATE TABLE runs (id INTEGER PRIMARY KEY, job TEXT, scheduled_at REAL, task TEXT, kwargs TEXT, state TEXT,
                   attempt INTEGER, token TEXT, engine TEXT, lease REAL, queued_at REAL, started_at REAL,
                   finished_at REAL, result TEXT, UNIQUE (job, scheduled_at));
CREATE INDEX runs_open ON runs (state, lease) WHERE state IN ('queued', 'running');
"""
DUE = """SELECT id, next_run_time, task, kwargs, trigger FROM jobs WHERE state = 'active' AND next_run_time <= ?
         ORDER BY next_run_time LIMIT ?"""
FIRE = """INSERT INTO runs (job, scheduled_at, task, kwargs, state, attempt, token, engine, lease, queued_at)
          VALUES (?, ?, ?, ?, 'running', 1, 'token', 'engine', ?, ?) ON CONFLICT DO NOTHING"""
FIRED = "SELECT id, kwargs FROM runs ORDER BY id DESC LIMIT ?"
ADVANCE = """UPDATE jobs SET state = 'finished', next_run_time = NULL, version = version + 1
             WHERE id = ? AND next_run_time = ?"""
SETTLE = """UPDATE runs SET state = 'succeeded', started_at = ?, finished_at = ?, result = ?
            WHERE id = ? AND token = 'token' AND state = 'running'"""
Claimed = tuple[int, str]
Ended = tuple[float, float, str, int]


def fill(store: Path, jobs: int) -> None:
    """Make a store of due jobs."""
    add = "INSERT INTO jobs VALUES (?, 'noop', '{}', '{\"type\": \"date\"}', 'active', 1, 0)"
    with closing(connect(store)) as connection:
        connection.executescript(TABLES)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(add, ((f"job-{number}",) for number in range(jobs)))
        connection.execute("COMMIT")


def connect(store: Path) -> sqlite3.Connection:
    """Open a store as ours is opened."""
    connection = sqlite3.connect(store, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class Loop(threading.Thread):
    """Settles what has ended, fires and claims a batch, commits, hands it to threads; until nothing is due."""

    def __init__(self, store: Path, threads: int) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self._store = store
        self._todo: SimpleQueue[Claimed | None] = SimpleQueue()
        self._done: SimpleQueue[Ended] = SimpleQueue()
        self._workers = [threading.Thread(target=self._work) for _ in range(threads)]

    def run(self) -> None:
        for worker in self._workers:
            worker.start()
        with closing(connect(self._store)) as connection:
            self._drain(connection)
        for _ in self._workers:
            self._todo.put(None)
        for worker in self._workers:
            worker.join()
        self.ended.set()

    def _drain(self, connection: sqlite3.Connection) -> None:
        in_flight, is_more_due = 0, True
        while is_more_due or in_flight:
            ended = self._take_ended(in_flight)
            in_flight -= len(ended)
            room = 2 * BATCH - in_flight
            takes = is_more_due and room >= BATCH // 2
            claimed = turn(connection, ended, room if takes else 0)
            is_more_due = is_more_due and (not takes or bool(claimed))
            in_flight += len(claimed)
            for run in claimed:
                self._todo.put(run)

    def _take_ended(self, in_flight: int) -> list[Ended]:
        """Wait for one that ended, when any is to come, and take what is there beside it."""
        ended = [self._done.get()] if in_flight else []
        while len(ended) < BATCH and not self._done.empty():
            ended.append(self._done.get())
        return ended

    def _work(self) -> None:
        while (claimed := self._todo.get()) is not None:
            self._done.put(execute(*claimed))


def turn(connection: sqlite3.Connection, ended: Sequence[Ended], room: int) -> list[Claimed]:
    """Do one transaction and return the runs that it claimed."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(SETTLE, ended)
    claimed = fire(connection, room, time.time()) if room else []
    connection.execute("COMMIT")
    return claimed


def fire(connection: sqlite3.Connection, room: int, now: float) -> list[Claimed]:
    """Make a claimed run of each due job and advance the job."""
    due = connection.execute(DUE, (now, room)).fetchall()
    for *_, trigger in due:
        json.loads(trigger)
    connection.executemany(FIRE, [(job, at, task, kwargs, now + LEASE, now) for job, at, task, kwargs, _ in due])
    connection.executemany(ADVANCE, [(job, at) for job, at, *_ in due])
    return connection.execute(FIRED, (len(due),)).fetchall()


def execute(run: int, kwargs: str) -> Ended:
    """Execute a run."""
    started = time.time()
    noop(**json.loads(kwargs))
    return started, time.time(), "null", run
