"""Stores of many jobs and runs, filled by SQL within the file: a million jobs take seconds, ten million runs minutes.

What is here looks like what the engine would have written, in the columns that lists, passes and the pruner read; all
of it follows from the number of a row, so that a test can say what a list must hold.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scheduler_app.store import schema
from scheduler_app.store.database import Database

Tell = Callable[[str], None]
SECOND = 1_000_000
DAY = 86_400 * SECOND
# the newest runs are a moment old, the oldest younger than what is kept of those that went well
HISTORY = 6 * DAY
TASKS = 20

NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)"
TABLES = ("scheduler_jobs", "scheduler_runs", "scheduler_job_stats", "scheduler_job_tags")
POLICIES = {
    "args": "'[]'",
    "kwargs": "'{}'",
    "overrides": "'{}'",
    "coalesce": "1",
    "max_instances": "1",
    "overlap": "'queue_one'",
    "max_retries": "0",
    "retry_delay": "5.0",
    "retry_backoff": "2.0",
    "retry_max_delay": "3600.0",
    "retry_jitter": "0.2",
    "delivery": "'at_least_once'",
    "priority": "0",
    "executor": "'thread'",
    "version": "1",
}
# one in a hundred is paused, one is broken, ten are finished
STATE = """CASE WHEN n % 100 = 0 THEN 'paused' WHEN n % 100 = 1 THEN 'broken' WHEN n % 100 < 12 THEN 'finished'
    ELSE 'active' END"""
TRIGGER = "CASE WHEN n % 1000 = 7 THEN 'calendarinterval' WHEN n % 3 = 0 THEN 'cron' ELSE 'interval' END"
VARIED = {
    "key": "n",
    "id": "printf('job-%08d', n)",
    "name": "CASE WHEN n % 10 = 0 THEN printf('Report %d', n) ELSE printf('task_%02d', n % 20) END",
    "task": "printf('task_%02d', n % 20)",
    "trigger": """CASE WHEN n % 1000 = 7 THEN '{"type":"calendarinterval","months":1,"timezone":"UTC"}'
        WHEN n % 3 = 0 THEN '{"type":"cron","expression":"0 9 * * *","timezone":"UTC"}'
        ELSE '{"type":"interval","weeks":4}' END""",
    "trigger_type": TRIGGER,
    "tags": """CASE WHEN n % 1000 = 0 THEN '["blue","rare"]' WHEN n % 10 = 0 THEN '["blue"]' ELSE '[]' END""",
    "state": STATE,
    "reason": "CASE WHEN n % 100 = 1 THEN 'its trigger cannot be computed' END",
    "next_run_time": f"CASE WHEN n % 100 = 0 OR n % 100 >= 12 THEN :now + {DAY} + n % 5000 * {SECOND} END",
    "created_at": f":now - 2 * {HISTORY}",
    "updated_at": f":now - 2 * {HISTORY} + n * 7919 % 1000003 * {SECOND // 10}",
}
RUN_STATE = """CASE WHEN r.n % 200 = 0 THEN 'failed' WHEN r.n % 1000 = 1 THEN 'missed'
    WHEN r.n % 5000 = 2 THEN 'timed_out' ELSE 'succeeded' END"""
ORIGIN = """CASE WHEN r.n % 50 = 3 THEN 'manual' WHEN r.n % 5000 = 4 THEN 'retry' WHEN r.n % 20 = 5 THEN 'once'
    ELSE 'schedule' END"""
SCHEDULED = "(:now - (:last - r.n) * :step - 60000000)"
RUNS = {
    "id": "r.n",
    "job_key": "1 + r.n * 7919 % :jobs",
    "job_id": "printf('job-%08d', 1 + r.n * 7919 % :jobs)",
    "task": "printf('task_%02d', (1 + r.n * 7919 % :jobs) % 20)",
    "args": "'[]'",
    "kwargs": "'{}'",
    "origin": ORIGIN,
    "scheduled_at": SCHEDULED,
    "state": RUN_STATE,
    "reason": "CASE WHEN r.n % 1000 = 1 THEN 'coalesced' END",
    "ready_at": SCHEDULED,
    "attempt": "1",
    "max_attempts": "1",
    "priority": "0",
    "delivery": "'at_least_once'",
    "executor": "'thread'",
    "engine": "1",
    "queued_at": f"{SCHEDULED} + 2000",
    "started_at": f"CASE WHEN r.n % 1000 <> 1 THEN {SCHEDULED} + 3000 END",
    "finished_at": f"{SCHEDULED} + 9000 + r.n % 7 * 1000",
    "result": "'null'",
    "error_type": "CASE WHEN r.n % 200 = 0 THEN 'ValueError' END",
    "error_message": "CASE WHEN r.n % 200 = 0 THEN 'no such customer' END",
    "error_traceback": "CASE WHEN r.n % 200 = 0 THEN 'ValueError: no such customer' END",
}
STATS = """
INSERT INTO scheduler_job_stats (job_key, number, last_run, unwell, failures, last_failure, usual, marks, older)
SELECT key, 9, 0, 0, 0, CASE WHEN key % 50 = 0 THEN updated_at END, key % 97 * 10000, x'', x'' FROM scheduler_jobs
"""
# as many changes as jobs, most of them by one key
AUDIT = f"""
INSERT INTO scheduler_audit (id, at, who, what, subject, after)
{NUMBERS} SELECT n, :now - (:last - n) * :step, CASE WHEN n % 1000 = 0 THEN 'ann' WHEN n % 3 = 0 THEN 'code'
    ELSE 'admin' END,
    CASE WHEN n % 5000 = 1 THEN 'job.deleted' WHEN n % 3 = 0 THEN 'job.created' ELSE 'job.changed' END,
    printf('job:job-%08d', 1 + n * 7919 % :last), '{{"state":"active"}}' FROM numbers
"""
TAGS = """
INSERT INTO scheduler_job_tags (tag, job_key)
SELECT tag.value, job.key FROM scheduler_jobs AS job, json_each(job.tags) AS tag WHERE job.tags <> '[]'
"""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a store holds at a time (microseconds): so many jobs, so many of their runs that have ended.

    `columns` are expressions over `n`, the number of a job, in place of those that make jobs of all kinds.
    """

    now: int
    jobs: int
    runs: int = 0
    columns: dict[str, str] | None = None


def fill(path: Path, content: Content, tell: Tell = lambda _: None) -> None:
    """Make a store with this content; its engine has nothing to catch up with."""
    database = Database(f"sqlite:///{path}", prepare=lambda store: schema.upgrade(store, on_create=lambda _: None))
    database.open()
    database.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for pragma in ("synchronous = OFF", "cache_size = -400000", "temp_store = FILE", "journal_mode = OFF"):
            file.execute(f"PRAGMA {pragma}")
        indexes = _without_indexes(file)
        _insert(file, content, tell)
        for name, sql in indexes:
            file.execute(sql)
            tell(f"{name} made")
        file.execute(f"UPDATE scheduler_facts SET value = '{{\"filled_at\": {content.now}}}' WHERE name = 'books'")
        file.execute("PRAGMA journal_mode = WAL")


def _without_indexes(file: sqlite3.Connection) -> list[tuple[str, str]]:
    """Drop the indexes, which are made faster from full tables, and return how to make them again."""
    found = file.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN (?, ?, ?, ?)",
        TABLES,
    ).fetchall()
    for name, _ in found:
        file.execute(f"DROP INDEX {name}")
    return found


def _insert(file: sqlite3.Connection, content: Content, tell: Tell) -> None:
    columns = POLICIES | VARIED | (content.columns or {})
    values = {"first": 1, "last": content.jobs, "now": content.now}
    names, made = ", ".join(columns), ", ".join(columns.values())
    file.execute(f"INSERT INTO scheduler_jobs ({names}) {NUMBERS} SELECT {made} FROM numbers", values)
    file.execute(TAGS)
    if content.columns is None:
        file.execute(STATS)
        file.execute(AUDIT, values | {"step": max(1, HISTORY // content.jobs)})
    tell(f"{content.jobs:,} jobs written")
    if content.runs:
        values |= {"last": content.runs, "jobs": content.jobs, "step": max(1, HISTORY // content.runs)}
        names, made = ", ".join(RUNS), ", ".join(RUNS.values())
        file.execute(f"INSERT INTO scheduler_runs ({names}) {NUMBERS} SELECT {made} FROM numbers AS r", values)
        tell(f"{content.runs:,} runs written")
