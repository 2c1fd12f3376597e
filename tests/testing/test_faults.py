"""A test lets attempts fail and processes die; what follows is what the engine's rules say."""

import pytest

from scheduler_app import current_run


def test_the_next_attempts_raise_and_the_retries_go_on(scheduler, fake_clock, fail_next, drain):
    calls = []

    @scheduler.task(max_retries=3, retry_delay=10, retry_backoff=2.0, retry_jitter=0)
    def send(user_id: int) -> int:
        calls.append(current_run.attempt)
        return user_id

    fail_next(send, ConnectionError("no mail server"), times=2)
    run = send.delay(7)
    drain()
    assert (run.run.state, run.run.error.type, run.run.error.message) == (
        "scheduled",
        "ConnectionError",
        "no mail server",
    )
    fake_clock.advance(seconds=10)
    assert calls == []
    fake_clock.advance(seconds=20)
    assert (run.result, run.run.attempt, calls) == (7, 3, [3])


def test_an_async_task_fails_too_and_only_the_named_one(scheduler, fail_next, drain):
    @scheduler.task
    async def fetch() -> str:
        return "fetched"

    @scheduler.task
    def other() -> str:
        return "other"

    fail_next("fetch", KeyError)
    fetch.delay()
    other.delay()
    fetch.delay()
    assert [(run.task, run.state) for run in drain()] == [
        ("fetch", "failed"),
        ("other", "succeeded"),
        ("fetch", "succeeded"),
    ]


@pytest.mark.parametrize(("at", "calls"), [("start", ["a", "b", "c"]), ("end", ["a", "b", "b", "c"])])
def test_a_run_whose_process_dies_is_started_again_and_nothing_else_is(scheduler, drain, crash_next, at, calls):
    seen = []

    @scheduler.task
    def first() -> None:
        seen.append("a")

    @scheduler.task
    def dying() -> None:
        seen.append("b")

    @scheduler.task
    def last() -> None:
        seen.append("c")

    crash_next(dying, at=at)
    runs = [task.delay() for task in (first, dying, last)]
    drain()
    assert sorted(seen) == calls
    assert [(run.run.state, run.run.crashes, run.run.attempt) for run in runs] == [
        ("succeeded", 0, 1),
        ("succeeded", 1, 2),
        ("succeeded", 0, 1),
    ]


def test_at_most_once_becomes_lost(scheduler, drain, crash_next):
    seen = []

    @scheduler.task(delivery="at_most_once")
    def charge() -> None:
        seen.append("charged")

    crash_next(charge)
    run = charge.delay()
    drain()
    assert (run.state, run.run.reason, seen) == ("lost", "crashed", ["charged"])


def test_what_crashes_again_and_again_fails_in_the_end(scheduler, drain, crash_next):
    @scheduler.task
    def poison() -> None: ...

    crash_next(poison, times=99)
    run = poison.delay()
    drain()
    assert (run.state, run.run.crashes) == ("failed", 4)


def test_a_job_goes_on_after_a_crash_at_one_of_its_firings(scheduler, fake_clock, crash_next, assert_ran):
    @scheduler.task
    def tick() -> None: ...

    scheduler.add_job("tick", tick, trigger="interval", hours=1)
    crash_next(tick)
    fake_clock.advance(hours=3)
    assert [run.crashes for run in assert_ran(tick, times=3)] == [1, 0, 0]


def test_a_drain_that_never_ends_is_given_up(scheduler, drain):
    @scheduler.task
    def again() -> None:
        again.delay()

    again.delay()
    with pytest.raises(AssertionError, match=r"drain\(\) made 20 attempts .* the last was of again: does it queue"):
        drain(most=20)


def test_a_drain_leaves_what_is_due_later(scheduler, fake_clock, drain):
    @scheduler.task
    def chain(more: int) -> int:
        if more:
            chain.delay(more - 1)
        return more

    scheduler.add_job("later", chain, args=[0], trigger="interval", minutes=1)
    chain.delay(2)
    assert [run.result for run in drain()] == [2, 1, 0]
    assert drain() == []
    fake_clock.advance(minutes=1)
