"""What APScheduler's and Flask-APScheduler's users call, by the names and with the meanings that they know."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.jobstores.base import ConflictingIdError, JobLookupError
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.errors import ConfigurationError, InvalidInput, UnknownTask
from tests.aps import work

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_function_below_task_modules_may_be_given_bare_or_by_name(scheduler, fake_clock):
    work.calls.clear()
    scheduler.add_job("bare", work.note, args=[1], trigger="interval", minutes=1)
    scheduler.add_job("named", "tests.aps.work:note", args=[2], trigger="interval", minutes=2)
    fake_clock.advance(minutes=2)
    assert sorted(work.calls) == [1, 1, 2]


@pytest.mark.parametrize("func", [print, "os:system", "tests.aps.work:os.system", lambda: None, 7, None, "no.such"])
def test_any_other_function_is_refused_with_what_to_do(scheduler, fake_clock, func):
    with pytest.raises(InvalidInput):
        scheduler.add_job("a", func, trigger="interval", minutes=1)
    assert scheduler.get_jobs() == []


def test_a_refused_function_is_told_of_both_ways_to_have_it(scheduler, fake_clock):
    with pytest.raises(UnknownTask, match=r"@scheduler\.task.*SCHEDULER_TASK_MODULES"):
        scheduler.add_job("a", print)


def test_a_job_is_one_of_apschedulers(scheduler, fake_clock):
    job = scheduler.add_job("a", work.note, trigger="interval", minutes=5, args=[1], max_instances=3, name="N")
    assert (job.id, job.name, job.func, job.func_ref) == ("a", "N", work.note, "tests.aps.work:note")
    assert (job.args, job.kwargs, job.max_instances, job.coalesce, job.pending) == ((1,), {}, 3, True, False)
    assert isinstance(job.trigger, IntervalTrigger)
    assert job.next_run_time == BEGIN + timedelta(minutes=5)
    assert (job.state, job.version) == ("active", 1), "and what only we have"


def test_a_job_may_be_handled_by_its_own_methods(scheduler, fake_clock):
    job = scheduler.add_job("a", work.note, trigger="interval", minutes=5)
    job.modify(name="changed", max_instances=2)
    job.reschedule("cron", hour=9)
    job.pause()
    paused = scheduler.get_job("a")
    assert (paused.name, paused.max_instances, paused.next_run_time) == ("changed", 2, None)
    job.resume()
    assert scheduler.get_job("a").next_run_time == BEGIN + timedelta(hours=9)
    job.remove()
    assert scheduler.get_job("a") is None


@pytest.mark.parametrize(
    "options",
    [
        {"trigger": "interval", "hours": 1},
        {"trigger": IntervalTrigger(hours=1, start_date=BEGIN + timedelta(hours=1), timezone=UTC)},
        {"trigger": {"type": "interval", "hours": 1}},
        {"trigger": "cron", "hour": "1-23"},
        {"trigger": CronTrigger(hour="1-23", timezone=UTC)},
        {"trigger": "cron", "expression": "0 1-23 * * *"},
        {"trigger": "date", "run_date": BEGIN + timedelta(hours=1)},
        {"run_date": "2026-01-01 01:00:00"},
        {"trigger": "interval", "days": 1, "next_run_time": BEGIN + timedelta(hours=1)},
    ],
    ids=str,
)
def test_a_trigger_may_be_said_in_every_way_that_they_know(scheduler, fake_clock, options):
    work.calls.clear()
    job = scheduler.add_job("a", work.note, **options)
    assert job.next_run_time == BEGIN + timedelta(hours=1)
    fake_clock.advance(hours=1)
    assert len(work.calls) == 1


@pytest.mark.parametrize("options", [{}, {"trigger": "date"}, {"trigger": "date", "run_date": None}], ids=str)
def test_without_a_time_it_runs_once_now_and_the_id_may_be_left_out(scheduler, fake_clock, options):
    work.calls.clear()
    job = scheduler.add_job(func=work.note, args=["now"], **options)
    assert len(job.id) == 36
    fake_clock.run_due()
    assert work.calls == ["now"]


def test_a_job_without_a_name_has_the_name_of_its_id(scheduler, fake_clock):
    scheduler.task("interval", id="b", minutes=1)(work.note)
    scheduler.add_job("a", work.note, trigger="interval", minutes=1)
    assert {job.id: job.name for job in scheduler.get_jobs()} == {"a": "a", "b": "b"}


def test_a_function_may_take_any_arguments(scheduler, fake_clock):
    @scheduler.task
    def anything(*args, **kwargs):
        return [args, kwargs]

    @scheduler.task
    def by_place_and_by_name(first: int, /, *, second: int) -> int:
        return first + second

    run, other = anything.delay(1, two=2), by_place_and_by_name.delay(1, second=2)
    fake_clock.run_due()
    assert (run.result, other.result) == ([[1], {"two": 2}], 3)
    assert by_place_and_by_name.task.schema["required"] == ["second"]


def test_a_time_without_zone_is_in_the_schedulers(tmp_path: Path):
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config |= {"SCHEDULER_TIMEZONE": "Asia/Tokyo", "SCHEDULER_TASK_MODULES": "tests.aps"}
    scheduler = Scheduler(app)
    job = scheduler.add_job("a", work.note, trigger="date", run_date=datetime(2030, 1, 1, 9))
    assert job.next_run_time == datetime(2030, 1, 1, tzinfo=UTC)
    assert str(job.next_run_time.tzinfo) == "Asia/Tokyo"
    scheduler.core.close()


def test_next_run_time_none_begins_paused(scheduler, fake_clock):
    scheduler.add_job("a", work.note, trigger="interval", minutes=1, next_run_time=None)
    assert scheduler.get_job("a").state == "paused"


def test_an_id_that_is_taken_is_told_as_apscheduler_does_or_replaced(scheduler, fake_clock):
    scheduler.add_job("a", work.note, trigger="interval", minutes=1)
    with pytest.raises(ConflictingIdError):
        scheduler.add_job("a", work.note, trigger="interval", minutes=2)
    scheduler.add_job("a", work.note, trigger="interval", minutes=2, replace_existing=True)
    assert scheduler.get_job("a").next_run_time == BEGIN + timedelta(minutes=2)


@pytest.mark.parametrize("call", ["pause_job", "resume_job", "remove_job", "run_job", "modify_job", "reschedule_job"])
def test_a_job_that_is_not_there_is_told_as_apscheduler_does(scheduler, fake_clock, call):
    options = {"trigger": "interval", "minutes": 1} if call == "reschedule_job" else {}
    with pytest.raises(JobLookupError, match="there is no job 'a'"):
        getattr(scheduler, call)("a", **options)


def test_modify_changes_all_of_it_or_nothing_and_does_not_resume(scheduler, fake_clock):
    scheduler.add_job("a", work.note, trigger="interval", minutes=1, args=[1])
    scheduler.pause_job("a")
    with pytest.raises(InvalidInput):
        scheduler.modify_job("a", args=[2], max_instances=-1)
    assert scheduler.get_job("a").args == (1,)
    scheduler.modify_job("a", args=[2], trigger="interval", minutes=7)
    job = scheduler.get_job("a")
    assert (job.args, job.state, job.trigger.interval) == ((2,), "paused", timedelta(minutes=7))


def test_modify_replaces_the_arguments_as_a_whole(scheduler, fake_clock):
    scheduler.add_job("a", work.note, trigger="interval", minutes=1, kwargs={"value": 1})
    scheduler.modify_job("a", args=[None], kwargs={})
    assert (scheduler.get_job("a").args, scheduler.get_job("a").kwargs) == ((None,), {})


def test_a_next_run_time_given_later_moves_one_firing_and_resumes(scheduler, fake_clock):
    work.calls.clear()
    scheduler.add_job("a", work.note, trigger="interval", days=1)
    scheduler.pause_job("a")
    scheduler.modify_job("a", next_run_time=BEGIN + timedelta(hours=1))
    fake_clock.advance(hours=23)
    assert len(work.calls) == 1
    assert scheduler.get_job("a").next_run_time == BEGIN + timedelta(days=1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"trigger": "interval", "minuts": 5}, "minutes"),  # a typing error
        ({"trigger": "weekly"}, "must be one of"),
        ({"trigger": "interval", "seconds": -5}, "seconds"),
        ({"trigger": "interval", "minutes": 5, "executor": "fibers"}, "use one of celery, default"),
        ({"trigger": "interval", "minutes": 5, "jobstore": "redis"}, "SCHEDULER_DATABASE"),
        ({"trigger": "interval", "minutes": 5, "max_instances": 0}, "max_instances"),
        ({"trigger": "interval", "minutes": 5, "args": "abc"}, "a list"),
        ({"minutes": 5}, "give `trigger`"),
        ({"trigger": IntervalTrigger(minutes=5, timezone=UTC), "hours": 5}, "trigger object"),
        ({"trigger": "interval", "minutes": 5, "next_run_time": "soon"}, "next_run_time"),
    ],
)
def test_what_is_wrong_is_told_by_field(scheduler, fake_clock, options, told):
    with pytest.raises(InvalidInput, match=told) as caught:
        scheduler.add_job("a", work.note, **options)
    assert caught.value.faults
    assert scheduler.get_jobs() == []


def test_the_scheduler_inside_does_the_same(scheduler, fake_clock, capsys):
    inside = scheduler.scheduler
    inside.add_job(work.note, "interval", id="a", minutes=1)
    inside.scheduled_job("cron", id="b", hour=9)(work.note)
    assert [job.id for job in inside.get_jobs()] == ["a", "b"]
    assert inside.get_job("a").next_run_time == BEGIN + timedelta(minutes=1)
    inside.remove_all_jobs()
    assert inside.get_jobs() == []


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda inside: inside.add_jobstore("sqlalchemy", url="sqlite://"), "SCHEDULER_DATABASE"),
        (lambda inside: inside.add_executor("processpool"), "SCHEDULER_THREADS"),
        (lambda inside: inside.export_jobs("jobs.json"), "pickle"),
        (lambda inside: inside.import_jobs("jobs.json"), "pickle"),
    ],
)
def test_what_would_break_a_promise_is_refused_and_the_replacement_named(scheduler, fake_clock, call, told):
    with pytest.raises(ConfigurationError, match=told):
        call(scheduler.scheduler)


def test_before_there_is_an_app_jobs_are_remembered(tmp_path: Path):
    scheduler = Scheduler()
    scheduler.add_job("early", work.note, trigger="interval", minutes=1)
    scheduler.add_job("dropped", work.note, trigger="interval", minutes=1)
    scheduler.remove_job("dropped")
    assert scheduler.get_job("early") is not None
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config["SCHEDULER_TASK_MODULES"] = "tests.aps"
    scheduler.init_app(app)
    assert [job.id for job in scheduler.get_jobs()] == ["early"]
    scheduler.core.close()


STARTED_ALONE = """
import time
from scheduler_app import Scheduler
scheduler = Scheduler()
done = []
@scheduler.task("interval", id="tick", seconds=0.2)
def tick():
    done.append(1)
scheduler.start()
print(scheduler.running)
limit = time.monotonic() + 20
while not done and time.monotonic() < limit:
    time.sleep(0.02)
print(bool(done))
scheduler.shutdown()
"""


@pytest.mark.slow
def test_without_an_app_it_keeps_its_jobs_where_serve_does(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", STARTED_ALONE], cwd=tmp_path, capture_output=True, timeout=60, check=True
    )
    assert done.stdout.split() == [b"True", b"True"]
    assert (tmp_path / "data" / "scheduler.db").is_file()


def test_a_run_of_a_function_that_another_process_named_is_claimed_here_too(scheduler, fake_clock):
    work.calls.clear()
    scheduler.add_job("a", "tests.aps.work:note", trigger="interval", minutes=1)
    scheduler.registry._tasks.clear()
    fake_clock.advance(minutes=2)
    assert len(work.calls) == 2


def test_a_second_scheduler_takes_the_place_of_one_that_does_not_run(app: Flask, caplog):
    second = Scheduler(app)
    assert app.extensions["scheduler"] is second
    second.start()
    with pytest.raises(ConfigurationError, match="running"):
        Scheduler(app)
    second.shutdown()
    second.core.close()
