"""SqlJobStore: what APScheduler asks of a job store, on our tables, without pickle."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.job import Job
from apscheduler.jobstores.base import ConflictingIdError, JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask

from scheduler_app import Scheduler, SqlJobStore
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import ConfigurationError, InvalidArguments, InvalidInput, UnknownTask
from scheduler_app.store import engines
from scheduler_app.store.database import Database
from scheduler_app.store.identity import Identity
from tests.aps import work
from tests.extension.conftest import until

SOON = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def store(path: Path, request: pytest.FixtureRequest) -> Iterator[SqlJobStore]:
    """A started store in a file; where a test runs on both databases, in that one."""
    on_both = request.node.get_closest_marker("databases") is not None
    url = request.getfixturevalue("scheduler_database") if on_both else f"sqlite:///{path}"
    store = SqlJobStore(url=url, task_modules=["tests.aps"])
    store.start(None, "default")
    yield store
    store.shutdown()


def job(func=work.note, *, at: datetime | None = SOON, **options) -> Job:
    fields = {"args": (), "kwargs": {}, "name": "n", "executor": "default", "trigger": DateTrigger(at or SOON)}
    fields |= {"misfire_grace_time": 7, "coalesce": False, "max_instances": 2, "next_run_time": at}
    return Job(BackgroundScheduler(timezone="UTC"), func=func, **fields | options)


@pytest.mark.databases
@pytest.mark.usefixtures("scheduler_database")
def test_what_is_kept_comes_back_whole(store: SqlJobStore):
    store.add_job(job(id="a", args=[1], name="näme"))
    found = store.lookup_job("a")
    assert (found.func, found.args, found.name) == (work.note, (1,), "näme")
    assert (found.misfire_grace_time, found.coalesce, found.max_instances) == (7, False, 2)
    assert (found.next_run_time, found.trigger.run_date) == (SOON, SOON)


@pytest.mark.databases
@pytest.mark.usefixtures("scheduler_database")
def test_jobs_come_in_the_order_of_their_next_times_and_paused_ones_last(store: SqlJobStore):
    for name, at in (("late", SOON + timedelta(days=1)), ("paused", None), ("first", SOON), ("second", SOON)):
        store.add_job(job(id=name, at=at))
    assert [found.id for found in store.get_all_jobs()] == ["first", "second", "late", "paused"]
    assert [found.id for found in store.get_due_jobs(SOON)] == ["first", "second"]
    assert store.get_next_run_time() == SOON


@pytest.mark.databases
@pytest.mark.usefixtures("scheduler_database")
def test_an_update_replaces_and_a_pause_keeps_the_time_to_come_back_to(store: SqlJobStore):
    store.add_job(job(id="a"))
    store.update_job(job(id="a", at=None, max_instances=5))
    assert (store.lookup_job("a").next_run_time, store.lookup_job("a").max_instances) == (None, 5)
    assert (store.lookup_job("a").record.state, store.lookup_job("a").record.next_run_time) == ("paused", SOON)
    assert store.get_next_run_time() is None


@pytest.mark.databases
@pytest.mark.usefixtures("scheduler_database")
def test_what_is_not_there_and_what_is_there_already_is_told_as_apscheduler_does(store: SqlJobStore):
    store.add_job(job(id="a"))
    with pytest.raises(ConflictingIdError):
        store.add_job(job(id="a"))
    for call in (lambda: store.update_job(job(id="b")), lambda: store.remove_job("b")):
        with pytest.raises(JobLookupError):
            call()
    store.remove_all_jobs()
    assert store.get_all_jobs() == []


def test_typed_arguments_come_back_as_their_types(store: SqlJobStore):
    store.add_job(job(work.on_day, id="a", args=[date(2030, 1, 2)]))
    found = store.lookup_job("a")
    assert found.func(*found.args) == "2030-01-02"


def test_plain_values_are_taken_as_they_come_over_http(store: SqlJobStore):
    store.add_job(job(work.on_day, id="a", args=["2030-01-02"]))
    assert store.lookup_job("a").args == (date(2030, 1, 2),)


@pytest.mark.parametrize("value", [{1, 2}, date(2030, 1, 2), object()], ids=["set", "date", "object"])
def test_arguments_that_would_come_back_as_something_else_are_refused(store: SqlJobStore, value):
    with pytest.raises(InvalidArguments):
        store.add_job(job(id="a", args=[value]))
    assert store.get_all_jobs() == []


def test_a_method_is_kept_by_the_name_through_which_it_can_be_found(store: SqlJobStore):
    store.add_job(job("tests.aps.work:worker.of_object", id="a", args=[3]))
    store.add_job(job(work.Worker.of_class, id="b", args=[4]))
    assert [found.func(*found.args) for found in store.get_all_jobs()] == [3, 4]
    with pytest.raises(UnknownTask, match="only pickle"):
        store.add_job(job(work.Worker().of_object, id="c", args=[5]))


@pytest.mark.parametrize(
    "reference",
    [
        "os:getcwd",  # another package
        "tests.aps.work:os.getcwd",  # through one that is allowed
        "tests.aps.work:worker.__class__",
        "tests.apse:note",  # no package below tests.aps
    ],
)
def test_a_function_from_elsewhere_is_refused(store: SqlJobStore, reference: str):
    record = job(id="a")
    record.func_ref = reference
    with pytest.raises(UnknownTask):
        store.add_job(record)


def test_a_job_whose_function_is_gone_is_left_out_and_kept(store: SqlJobStore, path: Path, monkeypatch):
    store.add_job(job(id="gone"))
    store.add_job(job(work.on_day, id="here", args=[date(2030, 1, 1)], at=SOON + timedelta(days=1)))
    monkeypatch.delattr(work, "note")
    assert [found.id for found in store.get_all_jobs()] == ["here"]
    assert store.get_next_run_time() == SOON + timedelta(days=1)
    assert rows(path) == ["gone", "here"]


def test_a_row_that_cannot_be_read_is_left_out_and_kept(store: SqlJobStore, path: Path):
    store.add_job(job(id="bad"))
    store.add_job(job(id="good"))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE scheduler_jobs SET args = 'garbage' WHERE id = 'bad'")
    connection.close()
    assert [found.id for found in store.get_all_jobs()] == ["good"]
    assert [found.id for found in store.get_due_jobs(SOON)] == ["good"]
    assert rows(path) == ["bad", "good"]


def rows(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    found = [row[0] for row in connection.execute("SELECT id FROM scheduler_jobs ORDER BY id")]
    connection.close()
    return found


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"id": "no spaces"}, "an id must match"),
        ({"id": "a", "executor": "processpool"}, "executor 'processpool'"),
    ],
)
def test_what_we_cannot_keep_is_refused(store: SqlJobStore, options, told):
    with pytest.raises((InvalidInput, ConfigurationError), match=told):
        store.add_job(job(**options))


def test_what_it_is_made_of_is_checked():
    with pytest.raises(ValueError, match="Need either"):
        SqlJobStore()
    with pytest.raises(ConfigurationError, match="scheduler_\\*"):
        SqlJobStore(url="sqlite:///jobs.db", tablename="mine")


def test_a_database_in_memory_becomes_a_temporary_file():
    store = SqlJobStore(url="sqlite://", task_modules="tests.aps")
    store.start(None, "default")
    store.add_job(job(id="a"))
    assert store.lookup_job("a") is not None
    assert Path(store.url.removeprefix("sqlite:///")).is_file()
    store.shutdown()


def test_its_text_shows_no_password(path: Path):
    assert repr(SqlJobStore(url=f"sqlite:///{path}")) == f"<SqlJobStore (url=sqlite:///{path})>"


def test_a_scheduler_of_ones_own_runs_jobs_from_it(path: Path):
    scheduler = BackgroundScheduler(jobstores={"default": store_at(path)}, timezone="UTC")
    scheduler.start(paused=True)
    scheduler.add_job(work.note, IntervalTrigger(hours=1), id="a", args=["own"], next_run_time=SOON)
    scheduler.pause_job("a")
    assert scheduler.get_job("a").next_run_time is None
    scheduler.resume_job("a")
    assert scheduler.get_job("a").next_run_time > datetime.now(UTC)
    scheduler.remove_job("a")
    assert scheduler.get_jobs() == []
    scheduler.shutdown()


def store_at(path: Path) -> SqlJobStore:
    return SqlJobStore(url=f"sqlite:///{path}", task_modules=["tests.aps"])


def test_what_goes_in_through_it_is_fired_by_the_engine_and_by_nobody_else(store: SqlJobStore, path: Path, tmp_path):
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config |= {"SCHEDULER_DATABASE": f"sqlite:///{path}", "SCHEDULER_TASK_MODULES": "tests.aps"}
    scheduler = Scheduler(app)
    ended: list[object] = []
    scheduler.add_listener(ended.append, EVENT_JOB_EXECUTED)
    scheduler.start()
    until(lambda: scheduler.core.engine.id is not None)
    due = datetime.now(UTC)
    store.add_job(job(id="a", at=due, trigger=DateTrigger(due), misfire_grace_time=None))
    assert store.get_due_jobs(due) == []
    assert store.get_next_run_time() is None
    until(lambda: ended)
    assert [event.job_id for event in ended] == ["a"]
    scheduler.shutdown()
    scheduler.core.close()


@pytest.mark.parametrize(
    ("identity", "silent", "drives"),
    [
        ({}, 0, True),
        ({"pid": 2**22 - 1}, 0, False),  # its process is gone: nobody waits until its beat is old
        ({}, 3600, True),  # its process is there: it works, or a rescuer judges it
        ({"host": "elsewhere"}, 50, True),
        ({"host": "elsewhere"}, 70, False),
    ],
)
def test_an_engine_that_lives_fires_and_one_that_is_gone_does_not(store: SqlJobStore, path, identity, silent, drives):
    store.add_job(job(id="a"))
    engine = Identity.of_this_process().values() | identity
    database = Database(f"sqlite:///{path}")
    beaten = datetime.now(UTC) - timedelta(seconds=silent)
    database.write(lambda tx: engines.register(tx, engine, tasks=[], slots=1, now=beaten))
    database.close()
    assert [found.id for found in store.get_due_jobs(SOON)] == ([] if drives else ["a"])
    assert store.get_next_run_time() == (None if drives else SOON)


@pytest.mark.databases
@pytest.mark.usefixtures("scheduler_database")
def test_a_job_that_comes_after_another_one_is_shown_without_a_time_and_kept_as_it_is(store: SqlJobStore):
    store.add_job(job(id="extract"))
    after = parse_trigger({"type": "after", "job": "extract"}, now=SOON).aps
    store.add_job(job(id="child", at=None, trigger=after))
    found = store.lookup_job("child")
    assert (str(found.trigger), found.next_run_time, found.record.state) == (
        "After each success of extract",
        None,
        "active",
    )
    found._modify(max_instances=5)
    store.update_job(found)
    assert (store.lookup_job("child").record.state, store.lookup_job("child").max_instances) == ("active", 5)
    assert [shown.id for shown in store.get_all_jobs()] == ["extract", "child"]
    assert [due.id for due in store.get_due_jobs(SOON)] == ["extract"]
