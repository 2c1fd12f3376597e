"""Jobs that the code declares, with a decorator or in SCHEDULER_JOBS: written once, whatever starts how often."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.errors import ConfigurationError

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_decorator_with_a_trigger_declares_a_job(scheduler, fake_clock):
    ran: list[str] = []

    @scheduler.task("interval", id="tick", minutes=10, args=["tock"])
    def tick(word: str) -> None:
        ran.append(word)

    tick("called")
    fake_clock.advance(minutes=20)
    assert ran == ["called", "tock", "tock"]
    assert scheduler.get_job("tick").trigger.interval == timedelta(minutes=10)


def test_one_function_may_have_several_jobs(scheduler, fake_clock):
    @scheduler.task("interval", id="often", minutes=10)
    @scheduler.task("cron", id="daily", hour=9)
    def both() -> None: ...

    assert sorted(job.id for job in scheduler.get_jobs()) == ["daily", "often"]


def test_a_declared_id_is_taken_from_the_function_and_may_not_be_declared_twice(scheduler, fake_clock):
    @scheduler.task("interval", minutes=10)
    def named() -> None: ...

    (job,) = scheduler.get_jobs()
    assert job.id.endswith("named")
    with pytest.raises(ConfigurationError, match="two jobs are declared"):
        scheduler.task("interval", minutes=5)(named)


@pytest.mark.parametrize("trigger", ["intervall", {"type": "intervall", "minutes": 5}])
def test_a_misspelt_trigger_is_told_where_it_stands(scheduler, trigger):
    with pytest.raises(ConfigurationError, match="got 'intervall'; did you mean 'interval'"):
        scheduler.task(trigger, id="tick")


def declaring(path: Path, minutes: int) -> Scheduler:
    """Return a scheduler as a program has it at each start."""
    scheduler = Scheduler()

    @scheduler.task("interval", id="again", minutes=minutes)
    def again() -> None: ...

    app = Flask(__name__, instance_path=str(path))
    app.config["SCHEDULER_JOBS"] = [{"id": "listed", "func": again, "trigger": "cron", "hour": 9, "minute": minutes}]
    scheduler.init_app(app)
    return scheduler


def test_a_restart_moves_no_declared_job_and_a_change_of_the_code_does(tmp_path: Path):
    first = declaring(tmp_path, 10)
    before = {job.id: (job.next_run_time, job.version) for job in first.get_jobs()}
    first.core.close()
    second = declaring(tmp_path, 10)
    assert {job.id: (job.next_run_time, job.version) for job in second.get_jobs()} == before
    second.pause_job("again")
    second.core.close()
    third = declaring(tmp_path, 20)
    again, listed = third.get_job("again"), third.get_job("listed")
    assert (again.trigger.interval, again.state) == (timedelta(minutes=20), "paused"), "a person's pause is kept"
    assert str(listed.next_run_time.minute) == "20"
    third.core.close()


def test_declaring_a_job_opens_no_store(tmp_path: Path):
    scheduler = declaring(tmp_path / "instance", 10)
    assert not (tmp_path / "instance").exists()
    assert scheduler.core.desk.declared


def test_a_declared_job_whose_end_is_past_is_kept_as_finished(scheduler, fake_clock):
    @scheduler.task("interval", id="over", hours=1, end_date=BEGIN - timedelta(days=1))
    def over() -> None: ...

    job = scheduler.get_job("over")
    assert (job.state, job.next_run_time) == ("finished", None)
    assert scheduler.get_jobs() == []


def test_one_declared_job_that_is_wrong_is_logged_and_the_others_are_added(scheduler, fake_clock, caplog):
    @scheduler.task("interval", id="wrong", minuts=1)
    def wrong() -> None: ...

    @scheduler.task("interval", id="right", minutes=1)
    def right() -> None: ...

    assert [job.id for job in scheduler.get_jobs()] == ["right"]
    assert any("wrong" in record.message and "minuts" in record.message for record in caplog.records)
