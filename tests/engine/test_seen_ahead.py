"""The jobs that a pass saw ahead fire as they are when their time comes, and what starts at once is on record."""

import pytest

from scheduler_app.services import jobs
from scheduler_app.services.changes import JobChanges

EVERY_MINUTE = {"trigger": "cron", "expression": "* * * * *"}


@pytest.fixture
def greeted(scheduler, fake_clock):
    """A job that fires every minute, and has fired twice; what it was called with."""
    calls: list[str] = []

    @scheduler.task
    def greet(name: str) -> None:
        calls.append(name)

    scheduler.add_job("job", greet, kwargs={"name": "Ada"}, **EVERY_MINUTE)
    fake_clock.advance(minutes=2)
    assert calls == ["Ada", "Ada"]
    return calls


def test_a_job_that_was_changed_since_fires_as_it_is_now(scheduler, fake_clock, watch, greeted):
    jobs.change_job("job", JobChanges(fields={"kwargs": {"name": "Bob"}}, policies={}), ctx=scheduler.core.ctx)
    fake_clock.advance(minutes=1)
    assert greeted == ["Ada", "Ada", "Bob"]
    assert watch.story("job") == ["succeeded @1", "succeeded @2", "succeeded @3"]


def test_a_job_that_was_paused_or_deleted_since_does_not_fire(scheduler, fake_clock, greeted):
    jobs.pause_job("job", reason=None, ctx=scheduler.core.ctx)
    fake_clock.advance(minutes=1)
    jobs.delete_job("job", ctx=scheduler.core.ctx)
    fake_clock.advance(minutes=1)
    assert greeted == ["Ada", "Ada"]


def test_a_job_that_was_added_since_fires_too(scheduler, fake_clock, watch, greeted):
    scheduler.add_job("other", "greet", kwargs={"name": "Eve"}, **EVERY_MINUTE)
    fake_clock.advance(minutes=2)
    assert sorted(greeted[2:]) == ["Ada", "Ada", "Eve", "Eve"]
    assert watch.story("other") == ["succeeded @3", "succeeded @4"]


def test_many_jobs_that_fire_at_one_time_all_do_each_time(scheduler, fake_clock, greeted):
    for number in range(20):
        scheduler.add_job(f"job{number}", "greet", kwargs={"name": "Eve"}, **EVERY_MINUTE)
    fake_clock.advance(minutes=3)
    assert (greeted.count("Ada"), greeted.count("Eve")) == (5, 60)


def test_a_firing_that_starts_at_once_is_on_record_like_one_that_was_queued(watch, greeted):
    run = watch.runs("job")[0]
    assert (run.attempt, run.queued_at, run.started_at) == (1, run.scheduled_at, run.scheduled_at)
    assert run.engine is not None


def test_of_firings_at_one_time_the_highest_priority_starts_first(scheduler, fake_clock, greeted):
    for name, priority in (("low", -5), ("high", 5)):
        scheduler.add_job(name, "greet", kwargs={"name": name}, priority=priority, **EVERY_MINUTE)
    fake_clock.advance(minutes=1)
    assert greeted[2:] == ["high", "Ada", "low"]
