"""What `delay_until` and `every` give: a job in hand, to ask, to wait for and to cancel."""

from datetime import timedelta

import pytest

from scheduler_app.errors import IdTaken, InvalidArguments, InvalidInput, InvalidTrigger, NotFound, WaitTimeout
from scheduler_app.testing.clock import START


@pytest.fixture
def add(scheduler, fake_clock):
    @scheduler.task
    def add(a: int, b: int = 1) -> int:
        return a + b

    return add


def test_a_task_runs_once_at_a_time(add, fake_clock):
    job = add.delay_until(START + timedelta(hours=2), 3, b=4)
    assert (job.state, job.run, job.result) == ("active", None, None)
    fake_clock.advance(hours=1, minutes=59)
    assert job.run is None
    fake_clock.advance(minutes=1)
    assert (job.state, job.run.state, job.result) == ("finished", "succeeded", 7)
    assert job.run.scheduled_at == START + timedelta(hours=2)


def test_a_naive_time_is_one_of_the_configured_zone(add, fake_clock):
    job = add.delay_until((START + timedelta(hours=2)).replace(tzinfo=None), 1)
    assert job.job.next_run_time == START + timedelta(hours=2)


def test_a_time_that_is_over_means_now(add, fake_clock):
    job = add.delay_until(START - timedelta(minutes=5), 1)
    fake_clock.run_due()
    assert (job.state, job.result, job.run.scheduled_at) == ("finished", 2, START - timedelta(minutes=5))


def test_a_task_runs_at_an_interval_with_the_policies_that_were_asked_for(add, fake_clock):
    job = add.every(minutes=5, args=[1], kwargs={"b": 2}, id="often", name="Often", priority=7)
    assert (job.id, job.job.name, job.job.policies.priority) == ("often", "Often", 7)
    fake_clock.advance(minutes=16)
    assert (job.state, job.result) == ("active", 3)
    assert job.run.scheduled_at == START + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"minutes": -5, "args": [1]}, InvalidTrigger),
        ({"args": [1]}, InvalidTrigger),
        ({"minuts": 5, "args": [1]}, InvalidInput),
        ({"minutes": 5, "args": ["many"]}, InvalidArguments),
        ({"minutes": 5, "args": [1], "priority": 101}, InvalidInput),
    ],
)
def test_what_is_wrong_with_an_interval_is_refused_and_nothing_is_added(add, scheduler, options, error):
    with pytest.raises(error):
        add.every(**options)
    assert scheduler.get_jobs() == []


def test_an_id_in_use_is_refused_unless_it_is_to_be_replaced(add):
    add.every(minutes=5, args=[1], id="often")
    with pytest.raises(IdTaken):
        add.every(minutes=6, args=[1], id="often")
    again = add.every(minutes=6, args=[1], id="often", replace_existing=True)
    assert again.job.trigger["minutes"] == 6


def test_a_cancelled_job_fires_no_more_and_keeps_its_history(add, fake_clock):
    job = add.every(minutes=5, args=[1])
    fake_clock.advance(minutes=5)
    run = job.run
    job.cancel()
    fake_clock.advance(minutes=60)
    with pytest.raises(NotFound):
        _ = job.state
    assert run.result == 2


def test_waiting_for_a_job_that_has_not_fired_ends_with_an_error_that_says_so(add):
    with pytest.raises(WaitTimeout, match="has not fired after 5 s"):
        add.every(hours=1, args=[1]).wait(timeout=5)


def test_waiting_for_a_job_gives_its_newest_run(add, fake_clock):
    job = add.every(hours=1, args=[1])
    fake_clock.advance(hours=2)
    assert job.wait(timeout=5).scheduled_at == START + timedelta(hours=2)
    assert repr(job) == f"<JobHandle {job.id}>"


def test_a_time_that_is_none_and_a_timeout_that_is_no_number_are_refused(add, scheduler):
    with pytest.raises(InvalidInput, match=r"when must be a time, got None; delay\(\) runs it now"):
        add.delay_until(None, 1)
    with pytest.raises(InvalidInput, match="timeout must be a number of seconds, got '5'"):
        add.delay(1).wait("5")
    with pytest.raises(NotFound, match="there is no job 'None'"):
        scheduler.pause_job(None)
