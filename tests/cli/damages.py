"""Damages done to a store by hand, and the words in which the audit must name each."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta

from scheduler_app.clock import to_micros
from scheduler_app.testing.clock import START

HOUR = 3_600_000_000
Damage = Callable[[sqlite3.Connection], object]


def run_sql(*statements: str) -> Damage:
    def damage(store: sqlite3.Connection) -> None:
        for statement in statements:
            assert store.execute(statement).rowcount != 0, statement

    return damage


NOW = to_micros(START + timedelta(hours=10, minutes=5))
ATTENDED = f"UPDATE scheduler_engines SET beat_at = {NOW}, last_pass_at = {NOW}"
NEWEST = "id = (SELECT max(id) FROM scheduler_runs WHERE job_id = 'hourly')"
OLDEST = "id = (SELECT min(id) FROM scheduler_runs WHERE job_id = 'hourly')"
RANGE = "job_id = 'hourly' AND state = 'missed'"
DAMAGES: dict[str, tuple[Damage, str]] = {
    "a firing was lost": (
        run_sql(f"DELETE FROM scheduler_runs WHERE {OLDEST}"),
        "2 hourly None: 1 lost: nothing is recorded for 2026-01-01T01:00:00Z",
    ),
    "a range was lost": (
        run_sql(f"DELETE FROM scheduler_runs WHERE {RANGE}"),
        "2 hourly None: 3 lost: nothing is recorded for 2026-01-01T04:00:00Z to 2026-01-01T06:00:00Z",
    ),
    "the newest firing was lost": (
        run_sql(f"DELETE FROM scheduler_runs WHERE {NEWEST}"),
        "2 hourly None: 1 lost: nothing is recorded for 2026-01-01T10:00:00Z",
    ),
    "a range says too many": (
        run_sql(f"UPDATE scheduler_runs SET missed_count = 4 WHERE {RANGE}"),
        "has 3 firings, it says 4",
    ),
    "a range says that they are uncounted": (
        run_sql(f"UPDATE scheduler_runs SET missed_count = NULL WHERE {RANGE}"),
        "has 3 firings, it says more than 10,000",
    ),
    "a range is too long": (
        run_sql(f"UPDATE scheduler_runs SET missed_until = missed_until + {HOUR}, missed_count = 4 WHERE {RANGE}"),
        "recorded twice: an earlier record covers it",
    ),
    "a range is too short": (
        run_sql(f"UPDATE scheduler_runs SET missed_until = missed_until - {HOUR}, missed_count = 2 WHERE {RANGE}"),
        "2 hourly None: 1 lost: nothing is recorded for 2026-01-01T06:00:00Z",
    ),
    "a range ends before it begins": (
        run_sql(f"UPDATE scheduler_runs SET missed_until = missed_since - 1 WHERE {RANGE}"),
        "a missed range that is none",
    ),
    "a missed firing without its range": (
        run_sql(f"UPDATE scheduler_runs SET missed_since = NULL WHERE {RANGE}"),
        "a missed range that is none",
    ),
    "a range at a run that ran": (
        run_sql(f"UPDATE scheduler_runs SET missed_count = 1 WHERE {NEWEST}"),
        "a missed range at a run that was not missed: succeeded",
    ),
    "a run at a time that the trigger has not": (
        run_sql(f"UPDATE scheduler_runs SET scheduled_at = scheduled_at + 1000000 WHERE {OLDEST}"),
        "recorded for 2026-01-01T01:00:01Z, which is not a time of its trigger",
    ),
    "a firing was doubled": (
        run_sql(
            "DROP INDEX scheduler_runs_firing",
            f"UPDATE scheduler_runs SET scheduled_at = scheduled_at + {HOUR} WHERE {OLDEST}",
        ),
        "recorded twice: an earlier record covers it",
    ),
    "the next time is no time of the trigger": (
        run_sql("UPDATE scheduler_jobs SET next_run_time = next_run_time + 1 WHERE id = 'hourly'"),
        "is not a time of its trigger",
    ),
    "the next time was set back": (
        run_sql(f"UPDATE scheduler_jobs SET next_run_time = next_run_time - 2 * {HOUR} WHERE id = 'hourly'"),
        "it would fire twice",
    ),
    "the next time was set on": (
        run_sql(f"UPDATE scheduler_jobs SET next_run_time = next_run_time + 2 * {HOUR} WHERE id = 'hourly'"),
        "2 hourly None: 2 lost: nothing is recorded for 2026-01-01T11:00:00Z to 2026-01-01T12:00:00Z",
    ),
    "the next time is gone": (
        run_sql("UPDATE scheduler_jobs SET next_run_time = NULL WHERE id = 'hourly'"),
        "it has no next_run_time, though its trigger fires again at 2026-01-01T11:00:00Z",
    ),
    "a job that would never end": (
        run_sql("UPDATE scheduler_jobs SET next_run_time = NULL WHERE id = 'later'"),
        "nothing is due any more and no run is open, but it is not finished: active",
    ),
    "a finished job that is due": (
        run_sql("UPDATE scheduler_jobs SET state = 'finished' WHERE id = 'hourly'"),
        "finished, but it has a next_run_time",
    ),
    "a due job that nobody fires": (
        run_sql(
            ATTENDED,
            f"UPDATE scheduler_jobs SET next_run_time = next_run_time - {HOUR} WHERE id = 'later' OR id = 'hourly'",
        ),
        "2 hourly None: due, but no engine fired it: 2026-01-01T10:00:00Z",
    ),
    "a broken job without a reason": (
        run_sql("UPDATE scheduler_jobs SET state = 'broken' WHERE id = 'later'"),
        "7 later None: broken, but without a reason",
    ),
    "a job in no known state": (
        run_sql("UPDATE scheduler_jobs SET state = 'asleep' WHERE id = 'later'"),
        "0 later None: a state that does not exist: asleep",
    ),
    "a job whose row cannot be read": (
        run_sql("UPDATE scheduler_jobs SET kwargs = '{' WHERE id = 'later'"),
        "7 later None: its row cannot be read",
    ),
    "a trigger that cannot be computed": (
        run_sql("""UPDATE scheduler_jobs SET trigger = '{"type": "interval", "seconds": -5}' WHERE id = 'later'"""),
        "7 later None: its trigger cannot be computed",
    ),
    "at most once with retries": (
        run_sql("UPDATE scheduler_jobs SET delivery = 'at_most_once', max_retries = 3 WHERE id = 'later'"),
        "4 later None: at_most_once, but with retries: max_retries 3",
    ),
    "a running run without a token": (
        run_sql(f"UPDATE scheduler_runs SET state = 'running', token = NULL WHERE {NEWEST}"),
        "running without a token",
    ),
    "a running run without an engine": (
        run_sql(f"UPDATE scheduler_runs SET state = 'running', engine = NULL WHERE {NEWEST}"),
        "running without an engine",
    ),
    "a running run that never began": (
        run_sql(f"UPDATE scheduler_runs SET state = 'running', started_at = NULL WHERE {NEWEST}"),
        "running without a start",
    ),
    "a running run whose engine is gone": (
        run_sql(f"UPDATE scheduler_runs SET state = 'running', engine = 77 WHERE {NEWEST}"),
        "running in an engine that has ended: engine 77",
    ),
    "a running run whose engine has stopped": (
        run_sql(
            f"UPDATE scheduler_runs SET state = 'running' WHERE {NEWEST}",
            "UPDATE scheduler_engines SET state = 'stopped'",
        ),
        "running in an engine that has ended: engine 1",
    ),
    "a running run whose engine does not beat": (
        run_sql(
            ATTENDED,
            "INSERT INTO scheduler_engines SELECT 9, node, host, pid, process_start, parent_pid, parent_start, version,"
            " slots, tasks, state, beat, started_at, started_at, last_pass_at, executors, books,"
            " commit_seconds, drained_at, lag, claims, celery_pool FROM scheduler_engines",
            f"UPDATE scheduler_runs SET state = 'running', engine = 9 WHERE {NEWEST}",
        ),
        "running in an engine that does not beat, and no other engine took it over: engine 9",
    ),
    "two running runs of one place": (
        run_sql(f"UPDATE scheduler_runs SET state = 'running' WHERE {NEWEST} OR {OLDEST}"),
        "more of its runs are running than max_instances allows: 2 of 1",
    ),
    "two running runs of one concurrency key": (
        run_sql("UPDATE scheduler_runs SET state = 'running', concurrency_key = 'k' WHERE id IN (1, 2)"),
        "several runs of one concurrency_key are running: k: runs 1, 2",
    ),
    "an end at no time": (
        run_sql(f"UPDATE scheduler_runs SET finished_at = NULL WHERE {NEWEST}"),
        "ended, but at no time: succeeded",
    ),
    "an end without a beginning": (
        run_sql(f"UPDATE scheduler_runs SET started_at = NULL WHERE {NEWEST}"),
        "ended, but never executed: succeeded, attempt 1",
    ),
    "a run in no known state": (
        run_sql(f"UPDATE scheduler_runs SET state = 'done' WHERE {NEWEST}"),
        "a state that does not exist: done",
    ),
    "a run with an unknown reason": (
        run_sql(f"UPDATE scheduler_runs SET reason = 'bad luck' WHERE {NEWEST}"),
        "a reason that does not exist: bad luck",
    ),
    "a run of unknown origin": (
        run_sql("UPDATE scheduler_runs SET origin = 'dream' WHERE id = 1"),
        "an origin that does not exist: dream",
    ),
    "a run of unknown delivery": (
        run_sql("UPDATE scheduler_runs SET delivery = 'often' WHERE id = 1"),
        "a delivery that does not exist: often",
    ),
    "at most once, started twice": (
        run_sql(f"UPDATE scheduler_runs SET delivery = 'at_most_once', attempt = 2 WHERE {NEWEST}"),
        "at_most_once, but started more than once: attempt 2",
    ),
    "at most once, may start twice": (
        run_sql(f"UPDATE scheduler_runs SET delivery = 'at_most_once', max_attempts = 2 WHERE {NEWEST}"),
        "at_most_once, but may be started more than once: max_attempts 2",
    ),
    "more attempts than allowed": (
        run_sql(f"UPDATE scheduler_runs SET attempt = 3 WHERE {NEWEST}"),
        "more attempts than it may have: attempt 3 of 1, crashes 0",
    ),
    "blocked for ever": (
        run_sql(f"UPDATE scheduler_runs SET state = 'scheduled', reason = 'blocked' WHERE {NEWEST}"),
        "blocked, but nothing that runs will free it",
    ),
    "waiting for nothing": (
        run_sql(f"UPDATE scheduler_runs SET state = 'scheduled', reason = NULL WHERE {NEWEST}"),
        "it waits without a reason, so that nothing will queue it",
    ),
    "a retry that is forgotten": (
        run_sql(ATTENDED, f"UPDATE scheduler_runs SET state = 'scheduled', reason = 'retry' WHERE {OLDEST}"),
        "its wait is over, but no engine queued it: retry",
    ),
    "a deleted job that goes on": (
        run_sql("UPDATE scheduler_runs SET state = 'scheduled', reason = 'retry' WHERE job_id = 'gone' AND id < 9"),
        "it waits, though its job was deleted",
    ),
    "skipped in silence": (
        run_sql(f"UPDATE scheduler_runs SET reason = NULL WHERE {RANGE}"),
        "without a reason: missed",
    ),
    "skipped, but it ran": (
        run_sql(f"UPDATE scheduler_runs SET state = 'skipped', reason = 'overlap' WHERE {NEWEST}"),
        "recorded as not executed, but it was: skipped, attempt 1",
    ),
    "an exception that nobody sees": (
        run_sql("UPDATE scheduler_runs SET error_type = NULL WHERE state = 'failed'"),
        "failed, but without an error",
    ),
    "arguments that are no JSON": (
        run_sql(f"UPDATE scheduler_runs SET args = '[' WHERE {NEWEST}"),
        "what it holds is no JSON",
    ),
    "a run under another job's name": (
        run_sql(f"UPDATE scheduler_runs SET job_id = 'later' WHERE {NEWEST}"),
        "it names another job than its key does: key 1",
    ),
    "a run of a job that never was": (
        run_sql("UPDATE scheduler_runs SET job_key = 4711 WHERE id = 1"),
        "it belongs to a job that never was: key 4711",
    ),
    "a retry of nothing": (
        run_sql("UPDATE scheduler_runs SET origin = 'retry' WHERE id = 1"),
        "a retry that does not say of which run",
    ),
    "keys that would be used again": (
        run_sql("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'scheduler_jobs'"),
        "its next rows would take numbers that were used: scheduler_jobs begins again at 1",
    ),
    "a log without its run": (
        run_sql("INSERT INTO scheduler_logs VALUES (4711, 0, 1, 1, 'x')"),
        "0 None 4711: a log without its run: 1 pieces",
    ),
    "a tag without its job": (
        run_sql("INSERT INTO scheduler_job_tags VALUES ('lost', 4711)"),
        "a tag without its job: lost, key 4711",
    ),
    "a tag that was lost": (
        run_sql("DELETE FROM scheduler_job_tags"),
        '0 hourly None: its tags cannot be found: ["a"]',
    ),
    "a tag too many": (
        run_sql("INSERT INTO scheduler_job_tags VALUES ('b', 1)"),
        "0 hourly None: it is found by tags that it has not",
    ),
    "a fact that is no JSON": (
        run_sql("INSERT INTO scheduler_facts VALUES ('pause', 'yes')"),
        "a fact that is no JSON: pause",
    ),
    "an index that was dropped": (run_sql("DROP INDEX scheduler_runs_queue"), "index scheduler_runs_queue is missing"),
    "an index that is not unique any more": (
        run_sql(
            "DROP INDEX scheduler_runs_firing",
            "CREATE INDEX scheduler_runs_firing ON scheduler_runs (job_key, scheduled_at) WHERE origin = 'schedule'",
        ),
        "index scheduler_runs_firing is not as it was made",
    ),
    "a table that was dropped": (run_sql("DROP TABLE scheduler_logs"), "table scheduler_logs is missing"),
    "a table whose ids can be used again": (
        run_sql(
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_master SET sql = replace(sql, 'AUTOINCREMENT', '') WHERE name = 'scheduler_jobs'",
        ),
        "table scheduler_jobs is not as it was made",
    ),
    "a schema of another version": (
        run_sql("UPDATE scheduler_version SET version_num = '9999'"),
        "the store has schema 9999",
    ),
}
