"""What a test says of jobs and runs, and what it is told when that is not so."""

from datetime import date, datetime, timedelta

import pytest

from scheduler_app import task as shared_task
from scheduler_app.errors import UnknownTask
from scheduler_app.testing import assert_ran as imported
from scheduler_app.testing.clock import START


@pytest.fixture
def send(scheduler):
    @scheduler.task(max_retries=1, retry_delay=10, retry_jitter=0)
    def send(user_id: int, day: date | None = None, password: str = "", **more: object) -> str:
        return f"sent to {user_id}"

    return send


@pytest.fixture
def daily(scheduler, send):
    return scheduler.add_job("daily", send, args=[7], trigger="cron", hour=9, timezone="Europe/Berlin")


def failure(function, *args, **kwargs) -> str:
    with pytest.raises(AssertionError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def test_what_a_view_queues_is_scheduled_until_it_runs(send, drain, assert_scheduled, refute_scheduled, refute_ran):
    send.delay(7)
    assert_scheduled(send, at=START, kwargs={"user_id": 7})
    assert_scheduled("send", args=[7])
    assert_scheduled(send.task.function)
    refute_scheduled(send, kwargs={"user_id": 8})
    refute_ran(send)
    assert [run.result for run in drain()] == ["sent to 7"]
    refute_scheduled(send)


def test_a_job_is_scheduled_at_each_of_its_times_and_at_no_other(daily, send, assert_scheduled, refute_scheduled):
    assert_scheduled(send, at="2026-01-01T09:00:00+01:00")
    assert_scheduled(send, at="2026-07-01T07:00:00Z", id="daily")
    refute_scheduled(send, at="2026-07-01T08:00:00Z")
    refute_scheduled(send, at="2025-12-31T08:00:00Z")
    refute_scheduled(send, id="weekly")


def test_a_paused_job_is_not_scheduled(scheduler, daily, send, refute_scheduled):
    scheduler.pause_job("daily")
    refute_scheduled(send)


def test_a_retry_that_waits_is_scheduled_at_its_time(send, drain, fail_next, assert_scheduled):
    fail_next(send)
    send.delay(7)
    drain()
    assert_scheduled(send, at=START + timedelta(seconds=10))


def test_arguments_are_the_same_by_place_and_by_name_and_as_json(send, drain, assert_ran):
    send.delay(7, date(2026, 5, 1), colour="red")
    drain()
    for kwargs in (
        {"user_id": 7},
        {"day": date(2026, 5, 1)},
        {"day": "2026-05-01"},
        {"colour": "red"},
        {"password": ""},
    ):
        assert_ran(send, times=1, kwargs=kwargs)


def test_runs_are_counted_and_attempts_are_not(send, drain, fail_next, fake_clock, assert_ran):
    fail_next(send, ValueError("no"))
    send.delay(7)
    send.delay(8)
    fake_clock.advance(minutes=1)
    assert [run.args for run in assert_ran(send, times=2)] == [[7], [8]]
    assert assert_ran(send, attempts=2, times=1)[0].args == [7]
    assert_ran(send, at=START, times=2)


def test_a_run_that_failed_did_run_but_not_well(send, fake_clock, fail_next, assert_ran, refute_ran):
    fail_next(send, ValueError("no stamps"), times=2)
    send.delay(7)
    fake_clock.advance(minutes=1)
    assert_ran(send, state="failed", times=1)
    assert failure(refute_ran, send).startswith("send ran once, and should not have.")
    assert failure(assert_ran, send).startswith("No run of send succeeded. It failed: ValueError: no stamps\n")


def test_a_failure_comes_with_a_timeline_in_the_zone_of_the_job(daily, send, fake_clock, fail_next, assert_ran):
    fail_next(send, ValueError("no stamps"))
    fake_clock.advance(days=2)
    send.delay(8, password="hunter2", note="a long note that nobody wants to read to its end")
    assert failure(assert_ran, send, times=3) == (
        "send succeeded twice, not 3 times. A run of it waits: call drain() or fake_clock.run_due(), or advance the "
        "clock to its time.\n"
        "\n"
        "It is Sat 2026-01-03 01:00:00 CET.\n"
        "What ran, the newest last:\n"
        "  Thu 2026-01-01 09:00:10 CET  send(user_id=7)  succeeded at attempt 2\n"
        "  Fri 2026-01-02 09:00:00 CET  send(user_id=7)  succeeded\n"
        "What waits:\n"
        '  Sat 2026-01-03 01:00:00 CET  send(user_id=8, password=***, note="a long note that nobod…)  queued\n'
        "What will fire:\n"
        "  Sat 2026-01-03 09:00:00 CET  send(user_id=7)  job daily"
    )


def test_a_long_timeline_is_cut_in_the_middle(daily, send, fake_clock, refute_ran):
    fake_clock.advance(days=100)
    told = failure(refute_ran, send)
    assert "  … 88 more …\n" in told
    assert len(told.splitlines()) == 19


def test_no_secret_is_told_wherever_it_stands(scheduler, assert_scheduled):
    @scheduler.task
    def connect(url: str, options: dict) -> None: ...

    connect.delay("postgresql://me:hunter2@db/x", {"api_key": "hunter2", "inner": [{"token": "hunter2"}]})
    told = failure(assert_scheduled, connect, id="other")
    assert "://me:***@" in told
    assert "hunter2" not in told


def test_other_arguments_are_pointed_out(send, drain, assert_ran):
    send.delay(7)
    drain()
    sentence = "No run of send(user_id=8) succeeded. Others of the task are below."
    assert failure(assert_ran, send, kwargs={"user_id": 8}).startswith(sentence)


def test_what_cannot_be_meant_is_refused(scheduler, send, assert_ran, assert_scheduled, fail_next):
    @scheduler.task
    def strict(order: int) -> None: ...

    with pytest.raises(TypeError, match="strict has no parameter 'ordr'; did you mean 'order'"):
        assert_ran(strict, kwargs={"ordr": 1})
    with pytest.raises(UnknownTask, match="did you mean 'strict'"):
        assert_ran("stric")
    with pytest.raises(TypeError, match="is no task"):
        assert_ran(print)
    with pytest.raises(ValueError, match="has no zone"):
        assert_scheduled(send, at=datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="at='noon' is no time; give one like 2026-"):
        assert_scheduled(send, at="noon")
    with pytest.raises(ValueError, match="did you mean 'failed'"):
        assert_ran(send, state="faild")
    with pytest.raises(TypeError, match="takes an exception"):
        fail_next(send, "no")


def test_the_functions_can_be_imported_and_say_so_when_there_is_no_simulated_time(request):
    with pytest.raises(RuntimeError, match="ask for the fixture fake_clock"):
        imported("send")
    request.getfixturevalue("fake_clock")
    with pytest.raises(UnknownTask):
        imported("send")


@pytest.mark.parametrize("number", [1, 2])
def test_a_task_that_a_test_defines_is_gone_with_it(scheduler, number):
    assert {"mine", "everybodys"} & scheduler.registry.names() == set()

    @scheduler.task("interval", id="mine", hours=number)
    def mine() -> None: ...

    @shared_task
    def everybodys() -> None: ...

    assert {"everybodys"} < scheduler.registry.names()
    assert scheduler.get_job("mine").record.trigger["hours"] == number
