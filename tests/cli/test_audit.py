"""The audit is silent on a healthy store, and names every damage that was done to one by hand."""

import json
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler_app import Scheduler
from scheduler_app.clock import to_micros
from scheduler_app.services import scheduler as scheduling
from scheduler_app.services.audit import Audit, audit
from scheduler_app.services.changes import JobChanges
from scheduler_app.services.jobs import change_job
from scheduler_app.store import pruning
from scheduler_app.store.snapshot import look
from scheduler_app.testing.clock import START, FakeClock

HOUR = 3_600_000_000
Damage = Callable[[sqlite3.Connection], object]


@pytest.fixture
def audited(scheduler: Scheduler, fake_clock: FakeClock) -> Callable[[], Audit]:
    """Audit the store of the test, at the simulated time."""
    core = scheduler.core
    return lambda: look(core.database.path, lambda tx: audit(tx, fake_clock.now()))


@pytest.fixture
def busy(scheduler: Scheduler, fake_clock: FakeClock) -> Scheduler:
    """A store with a bit of everything: hourly firings, a missed range, retries, a deleted job, one-offs, a pause."""

    @scheduler.task
    def nothing() -> None:
        print("done")

    @scheduler.task(max_retries=1, retry_delay=10)
    def fails() -> None:
        raise ValueError("no")

    scheduler.add_job("hourly", nothing, trigger="interval", hours=1, tags=["a"])
    scheduler.add_job("cron", nothing, trigger="cron", expression="30 * * * *", timezone="Europe/Berlin")
    scheduler.add_job("later", nothing, trigger="date", run_date="2026-03-01T00:00:00Z")
    scheduler.add_job("gone", nothing, trigger="interval", minutes=20)
    scheduler.add_job("late", nothing, trigger="interval", minutes=10, misfire_grace_time=60)
    fails.delay()
    nothing.delay()
    fake_clock.advance(hours=3)
    fake_clock.jump(hours=4, minutes=5)
    scheduler.remove_job("gone")
    scheduler.pause_job("cron")
    fake_clock.advance(hours=3)
    return scheduler


def found(breaches: Audit) -> list[str]:
    return [f"{b.promise} {b.job} {b.run}: {b.found}" for b in breaches.breaches]


def test_a_healthy_store_has_no_breach(busy, audited):
    result = audited()
    assert found(result) == []
    assert (result.judged, result.not_judged) == (4, {})


def test_a_week_of_pauses_edits_skips_and_lateness_has_no_breach(busy, audited, fake_clock):
    ctx = busy.core.ctx
    for day in range(7):
        busy.resume_job("cron")
        fake_clock.advance(hours=5)
        busy.pause_job("cron")
        change_job("hourly", JobChanges(fields={"name": f"day {day}"}, policies={"coalesce": day % 2 == 0}), ctx=ctx)
        fake_clock.jump(hours=4, minutes=7)
        assert found(audited()) == []
        scheduling.pause_scheduler(reason=None, ctx=ctx)
        fake_clock.advance(hours=6)
        assert found(audited()) == []
        scheduling.resume_scheduler(ctx=ctx)
        trigger = {"type": "interval", "minutes": 10 + day}
        change_job("late", JobChanges(fields={"trigger": trigger}, policies={}), ctx=ctx)
        busy.run_job("later")
        fake_clock.advance(hours=9)
        assert found(audited()) == []


def test_what_was_pruned_is_no_breach(busy, audited, fake_clock):
    fake_clock.advance(days=3)
    database = busy.core.database
    database.write(lambda tx: tx.exec_driver_sql("UPDATE scheduler_jobs SET pruned_until = NULL"))
    ids = [
        row[0]
        for row in sqlite3.connect(database.path).execute("SELECT id FROM scheduler_runs WHERE id % 3 > 0 AND id < 50")
    ]
    assert database.write(lambda tx: pruning.prune(tx, ids)).runs > 20
    assert found(audited()) == []


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
            " slots, tasks, state, beat, started_at, started_at, last_pass_at FROM scheduler_engines",
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


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_named(busy, audited, name):
    damage, words = DAMAGES[name]
    store = sqlite3.connect(busy.core.database.path)
    damage(store)
    store.commit()
    store.close()
    breaches = found(audited())
    assert any(words in breach for breach in breaches), breaches


def test_nothing_is_overdue_while_no_engine_lives(busy, audited, fake_clock):
    busy.core.engine.stop()
    fake_clock._set(fake_clock.now() + timedelta(days=30))
    assert found(audited()) == []


def test_the_command_says_what_it_checked(busy, fake_clock, said):
    status, out, _ = said("audit", "--database", busy.core.settings.database)
    assert status == 0
    assert "every promise is kept; " in out
    assert "the firings of 4 jobs compared" in out


def test_the_command_names_each_breach_on_one_line(busy, fake_clock, said):
    store = sqlite3.connect(busy.core.database.path)
    store.execute("UPDATE scheduler_runs SET reason = 'a' || char(10) || 'b' WHERE id = 1")
    store.commit()
    store.close()
    status, out, _ = said("audit", "--database", busy.core.settings.database)
    assert status == 1
    line, verdict = out.splitlines()[-2:]
    assert line.startswith("promise 0 (the store is whole): job ")
    assert line.endswith("run 1, a reason that does not exist: a\\u000ab")
    assert ": 1 breach; " in verdict


def test_the_command_answers_in_json(busy, fake_clock, said):
    database = busy.core.settings.database
    _, out, _ = said("audit", "--json", "--database", database)
    healthy = json.loads(out)
    assert (healthy["ok"], healthy["breaches"], healthy["checked"]["jobs"]) == (True, [], 6)
    busy.core.database.write(lambda tx: tx.exec_driver_sql("UPDATE scheduler_runs SET reason = NULL"))
    status, out, _ = said("audit", "--json", "--database", database)
    breach = json.loads(out)["breaches"][0]
    assert status == 1
    assert (breach["promise"], breach["means"]) == (5, "nothing is skipped in silence")
    assert (breach["job"], breach["found"]) == ("late", "without a reason: missed")


def test_a_page_that_was_overwritten_is_named(busy, fake_clock, said):
    path = busy.core.database.path
    busy.core.close()
    content = bytearray(path.read_bytes())
    pages = sqlite3.connect(path)
    (page,) = pages.execute("SELECT rootpage FROM sqlite_master WHERE name = 'scheduler_runs_job'").fetchone()
    pages.close()
    content[(page - 1) * 4096 : page * 4096] = b"x" * 4096
    path.write_bytes(content)
    status, out, err = said("audit", "--database", busy.core.settings.database)
    assert status == 1
    assert "the file is damaged" in out or "the store cannot be read" in err


@pytest.mark.parametrize("content", [None, b"something else " * 1000, b""], ids=["none", "garbage", "empty"])
def test_what_is_no_store_is_said_in_one_line(tmp_path: Path, said, content):
    if content is not None:
        (tmp_path / "scheduler.db").write_bytes(content)
    status, out, err = said("audit", "--data", tmp_path)
    assert status == 1
    assert (out + err).count("\n") <= 2
    assert "Traceback" not in out + err
    assert any(words in out + err for words in ("there is no store at", "file is not a database", "it holds no store"))


def test_the_audit_leaves_no_file_and_changes_none(busy, fake_clock, said, tmp_path: Path):
    busy.core.close()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "scheduler.db").write_bytes(busy.core.database.path.read_bytes())
    before = (copy / "scheduler.db").stat()
    assert said("audit", "--data", copy)[0] == 0
    assert [file.name for file in copy.iterdir()] == ["scheduler.db"]
    assert (copy / "scheduler.db").stat().st_mtime_ns == before.st_mtime_ns
