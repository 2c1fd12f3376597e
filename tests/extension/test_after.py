"""Jobs that come after others, from Python: declared, added, changed, shown to what knows only APScheduler."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from apscheduler.triggers.base import BaseTrigger

from scheduler_app import current_run
from scheduler_app.errors import InvalidInput, InvalidTrigger
from scheduler_app.services.runs import list_runs
from scheduler_app.store.runs import RunFilter

AFTER = {"type": "after", "job": "extract", "on": "success"}


def test_declared_jobs_may_come_in_any_order_and_run_in_theirs(scheduler, fake_clock, caplog):
    ran: list[tuple[str, object]] = []

    @scheduler.task("after", id="report", job="transform")
    def report() -> None:
        ran.append(("report", current_run.parent.result))

    @scheduler.task("after", id="transform", job="extract", on="success")
    def transform() -> str:
        ran.append(("transform", current_run.parent.result))
        return "clean"

    @scheduler.task({"type": "after", "job": "extract", "on": "failure"}, id="alarm")
    def alarm() -> None:
        ran.append(("alarm", current_run.parent.error.message))

    @scheduler.task("interval", id="extract", hours=1)
    def extract() -> str:
        if current_run.scheduled_at.hour == 2:
            raise ValueError("no data")
        return "raw"

    fake_clock.advance(hours=2)
    assert ran == [("transform", "raw"), ("report", "clean"), ("alarm", "no data")]
    assert not [record for record in caplog.records if "is not added" in record.message]


def test_a_declared_job_after_one_that_is_not_there_is_logged_and_the_others_are_added(scheduler, fake_clock, caplog):
    @scheduler.task("after", id="orphan", job="nobody")
    def orphan() -> None: ...

    @scheduler.task("after", id="loop", job="pool")
    @scheduler.task("after", id="pool", job="loop")
    @scheduler.task("interval", id="right", hours=1)
    def right() -> None: ...

    assert [job.id for job in scheduler.get_jobs()] == ["right"]
    said = [record.message for record in caplog.records if "is not added" in record.message]
    assert len(said) == 3
    assert any("there is no job 'nobody' to come after" in message for message in said)


def test_the_chain_of_the_readme_runs(scheduler, fake_clock):
    section = Path(__file__).parents[2].joinpath("README.md").read_text().partition("### One job after another")[2]
    program = re.search(r"```python\n(.*?)```", section, re.S)
    exec(program[1], {"scheduler": scheduler, "current_run": current_run, "__name__": "readme"})
    fake_clock.advance(days=1)
    ctx = scheduler.core.ctx
    (report,) = list_runs(RunFilter(job_ids=("report",)), after=None, limit=9, ctx=ctx).runs
    assert (report.state, report.result) == ("succeeded", "3 rows")
    assert scheduler.get_job("alarm").last_run is None


@pytest.fixture
def extract(scheduler, fake_clock):
    @scheduler.task
    def nothing() -> None: ...

    return scheduler.add_job("extract", nothing, trigger="interval", hours=1)


def test_an_added_job_shows_a_trigger_that_has_no_time(scheduler, fake_clock, extract):
    job = scheduler.add_job("child", "nothing", trigger="after", job="extract", on="success")
    assert isinstance(job.trigger, BaseTrigger)
    assert job.trigger.get_next_fire_time(None, datetime(2026, 1, 1, tzinfo=UTC)) is None
    assert (str(job.trigger), job.next_run_time) == ("After each success of extract", None)
    assert scheduler.get_job("child").record.trigger == AFTER
    assert [shown.id for shown in scheduler.get_jobs()] == ["extract", "child"]
    again = scheduler.add_job("again", "nothing", trigger=job.trigger)
    assert again.record.trigger == AFTER


def test_a_job_is_rescheduled_to_come_after_another_one_and_back(scheduler, fake_clock, extract):
    scheduler.add_job("child", "nothing", trigger="interval", minutes=5)
    assert (
        scheduler.reschedule_job("child", trigger="after", job="extract", on="finish").record.trigger["on"] == "finish"
    )
    fake_clock.advance(hours=1)
    assert scheduler.get_job("child").last_run.state == "succeeded"
    assert scheduler.reschedule_job("child", trigger="interval", minutes=5).next_run_time is not None
    with pytest.raises(InvalidTrigger, match="extract after child after extract"):
        scheduler.add_job("child", "nothing", trigger="after", job="extract", replace_existing=True)
        scheduler.reschedule_job("extract", trigger="after", job="child")


def test_pausing_and_resuming_from_python_keep_it_a_follower(scheduler, fake_clock, extract):
    scheduler.add_job("child", "nothing", trigger="after", job="extract")
    assert scheduler.pause_job("child").state == "paused"
    assert scheduler.resume_job("child").state == "active"
    fake_clock.advance(hours=1)
    assert scheduler.get_job("child").last_run.state == "succeeded"


def test_a_time_for_what_has_none_is_refused(scheduler, fake_clock, extract):
    at = datetime(2026, 1, 2, tzinfo=UTC)
    with pytest.raises(InvalidInput, match="has no time of its own"):
        scheduler.add_job("child", "nothing", trigger="after", job="extract", next_run_time=at)
    scheduler.add_job("child", "nothing", trigger="after", job="extract")
    with pytest.raises(InvalidInput, match="has no time of its own"):
        scheduler.modify_job("child", next_run_time=at)
    with pytest.raises(InvalidInput, match="give `trigger` too"):
        scheduler.add_job("other", "nothing", job="extract")


def test_a_job_that_is_added_paused_waits_to_be_resumed(scheduler, fake_clock, extract):
    assert scheduler.add_job("child", "nothing", trigger="after", job="extract", next_run_time=None).state == "paused"
    fake_clock.advance(hours=1)
    scheduler.resume_job("child")
    fake_clock.advance(hours=1)
    assert scheduler.get_job("child").last_run.state == "succeeded"
