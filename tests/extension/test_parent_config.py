"""Flask-APScheduler's configuration: what works as there, what is refused with its replacement, what is warned of."""

import tempfile
from datetime import UTC, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from flask import Flask

from scheduler_app import Scheduler, SqlJobStore
from scheduler_app.errors import ConfigurationError, InvalidInput
from tests.aps import work


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask(__name__, instance_path=str(tmp_path / "instance"))
    app.config |= {"SCHEDULER_ENGINE": "off", "SCHEDULER_TASK_MODULES": "tests.aps"}
    return app


@pytest.mark.parametrize("key", ["SCHEDULER_JOBS", "JOBS"])
def test_jobs_are_read_from_the_configuration(app: Flask, key: str):
    app.config[key] = [{"id": "a", "func": "tests.aps.work:note", "args": (1,), "trigger": "interval", "seconds": 10}]
    scheduler = Scheduler(app)
    job = scheduler.get_job("a")
    assert (job.func, job.args, job.trigger.interval) == (work.note, (1,), timedelta(seconds=10))
    scheduler.core.close()


def test_job_defaults_hold_for_jobs_that_do_not_say_otherwise(app: Flask):
    app.config["SCHEDULER_JOB_DEFAULTS"] = {"coalesce": False, "max_instances": 3, "misfire_grace_time": 60}
    scheduler = Scheduler(app)

    @scheduler.task(max_instances=5)
    def own() -> None: ...

    plain = scheduler.add_job("plain", work.note, trigger="interval", minutes=1, misfire_grace_time=7)
    assert (plain.coalesce, plain.max_instances, plain.misfire_grace_time) == (False, 3, 7)
    assert scheduler.add_job("own", own, trigger="interval", minutes=1).max_instances == 5
    scheduler.core.close()


@pytest.mark.parametrize("zone", ["Asia/Tokyo", ZoneInfo("Asia/Tokyo")], ids=str)
def test_the_timezone_may_be_a_name_or_a_zone(app: Flask, zone):
    app.config["SCHEDULER_TIMEZONE"] = zone
    scheduler = Scheduler(app)
    job = scheduler.add_job("a", work.note, trigger="cron", hour=9)
    assert job.next_run_time.astimezone(UTC).hour == 0
    assert scheduler.scheduler.timezone == ZoneInfo("Asia/Tokyo")
    scheduler.core.close()


@pytest.mark.parametrize(
    "executor",
    [
        {"type": "threadpool", "max_workers": 7},
        {"class": "apscheduler.executors.pool:ThreadPoolExecutor", "max_workers": 7},
        ThreadPoolExecutor(7),
    ],
    ids=["type", "class", "object"],
)
def test_a_thread_pool_says_how_many_runs_execute_at_one_time(app: Flask, executor):
    app.config["SCHEDULER_EXECUTORS"] = {"default": executor, "mail": {"type": "threadpool"}}
    scheduler = Scheduler(app)
    assert scheduler.core.settings.threads == 7
    job = scheduler.add_job("a", work.note, trigger="interval", minutes=1, executor="mail")
    assert job.executor == "default"
    with pytest.raises(InvalidInput, match="default, mail"):
        scheduler.add_job("b", work.note, trigger="interval", minutes=1, executor="post")
    scheduler.core.close()


@pytest.mark.parametrize(
    "pool", [{"type": "processpool", "max_workers": 3}, ProcessPoolExecutor(3)], ids=["type", "object"]
)
def test_a_process_pool_says_how_many_processes_there_are(app: Flask, pool):
    app.config["SCHEDULER_EXECUTORS"] = {"default": {"type": "threadpool"}, "processpool": pool}
    assert Scheduler(app).core.settings.processes == 3


@pytest.mark.parametrize(
    "store",
    [MemoryJobStore(), {"type": "memory"}, SQLAlchemyJobStore(url="sqlite://"), {"type": "sqlalchemy"}],
    ids=["object", "type", "in SQLite's memory", "its type"],
)
def test_a_memory_store_means_a_temporary_file(app: Flask, store):
    app.config["SCHEDULER_JOBSTORES"] = {"default": store}
    scheduler = Scheduler(app)
    scheduler.add_job("a", work.note, trigger="interval", minutes=1)
    assert scheduler.core.database.path.is_relative_to(tempfile.gettempdir())
    assert not Path(app.instance_path).exists()
    scheduler.core.close()


@pytest.mark.parametrize("kind", ["object", "type", "class"])
def test_apschedulers_sql_store_means_tables_of_ours_in_the_same_database(app: Flask, tmp_path: Path, kind: str):
    url = f"sqlite:///{tmp_path / 'theirs.db'}"
    given = {
        "object": SQLAlchemyJobStore(url=url),
        "type": {"type": "sqlalchemy", "url": url},
        "class": {"class": "apscheduler.jobstores.sqlalchemy:SQLAlchemyJobStore", "url": url},
    }
    app.config["SCHEDULER_JOBSTORES"] = {"default": given[kind]}
    scheduler = Scheduler(app)
    scheduler.add_job("a", work.note, trigger="interval", minutes=1)
    assert scheduler.core.database.path == tmp_path / "theirs.db"
    scheduler.core.close()


def test_our_own_store_names_the_database(app: Flask, tmp_path: Path):
    app.config["SCHEDULER_JOBSTORES"] = {"default": SqlJobStore(url=f"sqlite:///{tmp_path / 'own.db'}")}
    assert Scheduler(app).core.database.path == tmp_path / "own.db"


def test_the_database_setting_wins_over_a_job_store(app: Flask, tmp_path: Path):
    app.config["SCHEDULER_DATABASE"] = f"sqlite:///{tmp_path / 'named.db'}"
    app.config["SCHEDULER_JOBSTORES"] = {"default": MemoryJobStore()}
    assert Scheduler(app).core.database.path == tmp_path / "named.db"


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("JOBSTORES", {"default": {"type": "redis"}}, "SCHEDULER_DATABASE.*import-apscheduler"),
        ("JOBSTORES", {"default": {"class": "apscheduler.jobstores.mongodb:MongoDBJobStore"}}, "MongoDBJobStore"),
        ("JOBSTORES", {"second": MemoryJobStore()}, "one store"),
        ("EXECUTORS", {"default": {"type": "processpool"}}, "threadpool"),
        ("EXECUTORS", {"default": ProcessPoolExecutor(1)}, "SCHEDULER_THREADS"),
        ("EXECUTORS", {"second": {"type": "gevent"}}, "gevent cannot be 'second' here.*SCHEDULER_PROCESSES"),
        ("EXECUTORS", {"second": {"type": "processpool"}}, "'processpool': "),
        ("EXECUTORS", ["threadpool"], "SCHEDULER_EXECUTORS must be a dict, got "),
        ("JOB_DEFAULTS", {"max_instance": 3}, "max_instances"),
        ("JOB_DEFAULTS", {"max_instances": 0}, "max_instances"),
        ("JOB_DEFAULTS", [1], "SCHEDULER_JOB_DEFAULTS must be a dict, got "),
        ("TIMEZONE", "Mars/Olympus", "Mars/Olympus"),
        ("JOBS", [{"func": "tests.aps.work:note"}], "needs an id"),
        ("JOBS", {"id": "a"}, "list of dicts"),
        ("JOBS", [{"id": "a"}, {"id": "a"}], "two jobs have the id 'a'"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_the_replacement_named(app: Flask, key: str, value, told: str):
    app.config[f"SCHEDULER_{key}"] = value
    with pytest.raises(ConfigurationError, match=told):
        Scheduler(app)


def test_an_unknown_key_warns_with_the_nearest_one(app: Flask, caplog):
    app.config |= {"SCHEDULER_THREAD": 5, "SCHEDULER_ALLOWED_HOSTS": ["*"]}
    Scheduler(app)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "SCHEDULER_THREAD is no setting" in record.message
    assert "did you mean SCHEDULER_THREADS?" in record.message


@pytest.mark.parametrize("hosts", [[], ["another-host"]])
def test_on_a_host_that_is_not_allowed_it_does_not_start_and_says_so(app: Flask, hosts, caplog):
    app.config["SCHEDULER_ALLOWED_HOSTS"] = hosts
    scheduler = Scheduler(app)
    scheduler.start()
    assert not scheduler.running
    assert any("SCHEDULER_ALLOWED_HOSTS" in record.message for record in caplog.records)
