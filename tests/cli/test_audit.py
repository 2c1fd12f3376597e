"""The audit is silent on a healthy store, and names every damage that was done to one by hand."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from scheduler_app import Scheduler
from scheduler_app.clock import from_micros
from scheduler_app.services import scheduler as scheduling
from scheduler_app.services.audit import Audit, audit
from scheduler_app.services.changes import JobChanges
from scheduler_app.services.jobs import change_job
from scheduler_app.store import auditing, pruning
from scheduler_app.store.snapshot import look
from scheduler_app.testing.clock import FakeClock
from tests.cli.damages import DAMAGES, NOW

BUSY: list[bytes] = []

# a damage of each kind that the databases find in their own words
ON_BOTH = {
    "a firing was doubled",
    "a due job that nobody fires",
    "two running runs of one place",
    "two running runs of one concurrency key",
    "arguments that are no JSON",
    "a run of a job that never was",
    "a tag that was lost",
    "a tag too many",
    "a fact that is no JSON",
    "an index that was dropped",
    "an index that is not unique any more",
    "a table that was dropped",
    "a schema of another version",
}


@pytest.fixture
def audited(scheduler: Scheduler, fake_clock: FakeClock) -> Callable[[], Audit]:
    """Audit the store of the test, at the simulated time."""
    core = scheduler.core
    return lambda: core.database.look(lambda tx: audit(tx, fake_clock.now()))


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


@pytest.fixture
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of the busy store; the test that asks first makes it for the others."""
    if not BUSY:
        busy: Scheduler = request.getfixturevalue("busy")
        with closing(sqlite3.connect(busy.core.database.path)) as store, closing(sqlite3.connect(":memory:")) as made:
            store.backup(made)
            BUSY.append(made.serialize())
    path = tmp_path / "copy.db"
    path.write_bytes(BUSY[0])
    return path


def found(breaches: Audit) -> list[str]:
    return [f"{b.promise} {b.job} {b.run}: {b.found}" for b in breaches.breaches]


def driver_connection(database):
    """A connection past the package."""
    if database.path is not None:
        return sqlite3.connect(database.path)
    return psycopg.connect(dbname=database.url.database, user="postgres", host=database.url.query["host"])


@pytest.mark.databases
def test_a_healthy_store_has_no_breach(busy, audited):
    result = audited()
    assert found(result) == []
    assert (result.judged, result.not_judged) == (4, {})


@pytest.mark.slow
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
    with database.read() as tx:
        ids = [row.id for row in tx.exec_driver_sql("SELECT id FROM scheduler_runs WHERE id % 3 > 0 AND id < 50")]
    assert database.write(lambda tx: pruning.prune(tx, ids)).runs > 20
    assert found(audited()) == []


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_named(copy, name):
    damage, words = DAMAGES[name]
    with closing(sqlite3.connect(copy)) as store:
        damage(store)
        store.commit()
    breaches = found(look(copy, lambda tx: audit(tx, from_micros(NOW))))
    assert any(words in breach for breach in breaches), breaches


@pytest.mark.databases
@pytest.mark.postgresql
@pytest.mark.parametrize("name", ON_BOTH)
def test_a_damage_is_named_on_postgresql_too(busy, audited, name):
    damage, words = DAMAGES[name]
    with closing(driver_connection(busy.core.database)) as store:
        damage(store)
        store.commit()
    breaches = found(audited())
    assert any(words in breach for breach in breaches), breaches


@pytest.mark.databases
@pytest.mark.postgresql
def test_a_server_that_cannot_tell_what_is_json_finds_the_same(busy, audited, monkeypatch):
    monkeypatch.setattr(auditing, "KNOWS_JSON", (99,))
    assert found(audited()) == []
    damages = [
        DAMAGES[name] for name in ("arguments that are no JSON", "a fact that is no JSON", "a tag that was lost")
    ]
    with closing(driver_connection(busy.core.database)) as store:
        for damage, _ in damages:
            damage(store)
        store.commit()
    breaches = "\n".join(found(audited()))
    assert all(words in breaches for _, words in damages), breaches


def test_nothing_is_overdue_while_no_engine_lives(busy, audited, fake_clock):
    busy.core.engine.stop()
    fake_clock._set(fake_clock.now() + timedelta(days=30))
    assert found(audited()) == []


@pytest.mark.databases
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
    (size,) = pages.execute("PRAGMA page_size").fetchone()
    pages.close()
    content[(page - 1) * size : page * size] = b"x" * size
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
