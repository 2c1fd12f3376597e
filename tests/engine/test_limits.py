"""Limits of a task: how often it may start, and how many of its runs execute at once."""

from collections import Counter
from datetime import timedelta

import pytest

from scheduler_app.testing.clock import START


@pytest.fixture
def started(scheduler):
    """A task that may start ten times a minute, and the seconds after which it did."""
    seconds: list[float] = []

    @scheduler.task(name="limited", rate_limit="10/m")
    def limited() -> None:
        seconds.append((scheduler.core.clock.now() - START) / timedelta(seconds=1))

    return seconds


def queue(scheduler, number: int, task: str = "limited", **policies) -> list[str]:
    """Add one-offs of a task."""
    return [scheduler.add_job(None, task, **policies).id for _ in range(number)]


def test_twenty_five_runs_of_ten_a_minute_take_two_minutes(scheduler, fake_clock, started):
    queue(scheduler, 25)
    fake_clock.run_due()
    assert Counter(started) == {0: 10}
    fake_clock.advance(minutes=2)
    assert Counter(started) == {0: 10, 60: 10, 120: 5}


def tick() -> None:
    """A task that a worker process could import."""


@pytest.mark.parametrize("executor", ["process", "celery"])
def test_it_holds_wherever_runs_execute(scheduler, fake_clock, executor):
    scheduler.registry.hindrance = lambda _: None
    ticks = scheduler.task(rate_limit="10/m", executor=executor)(tick)
    jobs = queue(scheduler, 25, ticks.name)
    fake_clock.advance(minutes=1)
    states = Counter(str(scheduler.get_job(job).last_run.state) for job in jobs)
    assert states == {"succeeded": 20, "queued": 5}


def test_no_window_holds_more_starts_wherever_it_begins(scheduler, fake_clock, started):
    for seconds in (0, 7, 20, 31, 3, 45, 12):
        queue(scheduler, 4)
        fake_clock.advance(seconds=seconds)
    fake_clock.advance(minutes=5)
    assert len(started) == 28
    assert all(later - earlier >= 60 for earlier, later in zip(started, started[10:], strict=False))


def test_what_is_not_used_is_not_saved_up(scheduler, fake_clock, started):
    fake_clock.advance(minutes=30)
    queue(scheduler, 15)
    fake_clock.run_due()
    assert len(started) == 10


def test_the_clock_knows_when_the_next_start_is_free_and_nothing_polls_until_then(scheduler, fake_clock, started):
    queue(scheduler, 11)
    fake_clock.run_due()
    commits = scheduler.core.database.commits
    assert fake_clock.next_due() == START + timedelta(minutes=1)
    fake_clock.advance(seconds=59)
    assert len(started) == 10
    assert scheduler.core.database.commits <= commits + 1  # the beat, when time begins to move
    fake_clock.advance(seconds=1)
    assert len(started) == 11
    assert fake_clock.next_due() is None


def test_what_has_no_limit_goes_past_what_is_held_back(scheduler, fake_clock, started, nothing):
    queue(scheduler, 30, priority=10)
    others = queue(scheduler, 30, "nothing")
    fake_clock.run_due()
    assert len(started) == 10
    assert {str(scheduler.get_job(job).last_run.state) for job in others} == {"succeeded"}


def test_what_has_no_limit_is_found_behind_what_is_held_back_later_too(scheduler, fake_clock, started, nothing):
    queue(scheduler, 11, priority=10)
    fake_clock.advance(seconds=5)
    low, high = (queue(scheduler, 1, "nothing", priority=priority)[0] for priority in (0, 20))
    fake_clock.run_due()
    assert [str(scheduler.get_job(job).last_run.state) for job in (low, high)] == ["succeeded"] * 2


def test_the_highest_priority_gets_the_starts_that_are_free(scheduler, fake_clock, started):
    low, high = queue(scheduler, 12, priority=-1), queue(scheduler, 12, priority=1)
    fake_clock.run_due()
    done = [str(scheduler.get_job(job).last_run.state) for job in (*high, *low)]
    assert done == ["succeeded"] * 10 + ["queued"] * 14


def test_firings_manual_runs_and_retries_are_starts(scheduler, fake_clock):
    seconds: list[float] = []

    @scheduler.task(rate_limit="2/m", max_retries=1, retry_delay=1, retry_jitter=0)
    def flaky() -> None:
        seconds.append((fake_clock.now() - START) / timedelta(seconds=1))
        raise ValueError

    scheduler.add_job("fires", flaky, trigger="interval", seconds=10, max_instances=5, overlap="queue_all")
    fake_clock.advance(seconds=10)
    scheduler.run_job("fires")
    fake_clock.advance(minutes=4)
    assert all(later - earlier >= 60 for earlier, later in zip(seconds, seconds[2:], strict=False))
    assert seconds[:5] == [10, 10, 70, 70, 130]


def test_a_limit_may_count_by_any_period(scheduler, fake_clock):
    days: list[float] = []

    @scheduler.task(rate_limit="1/2d")
    def rare() -> None:
        days.append((fake_clock.now() - START) / timedelta(days=1))

    queue(scheduler, 3, "rare")
    fake_clock.advance(days=9)
    assert days == [0, 2, 4]


def test_a_clock_that_was_set_back_holds_nothing_up_for_longer_than_a_period(scheduler, fake_clock, started):
    queue(scheduler, 10)
    fake_clock.advance(days=1)
    queue(scheduler, 20)
    fake_clock.run_due()
    fake_clock._set(START + timedelta(hours=1))
    before = len(started)
    fake_clock.advance(seconds=62)
    assert len(started) == before + 10


def test_runs_of_a_task_at_once_are_no_more_than_it_allows(scheduler, fake_clock):
    nested: list[int] = []

    @scheduler.task(max_running=2)
    def few(depth: int = 0) -> None:
        with scheduler.core.database.read() as tx:
            nested.append(
                tx.exec_driver_sql(
                    "SELECT count(*) FROM scheduler_runs WHERE state = 'running' AND task = 'few'"
                ).scalar_one()
            )

    queue(scheduler, 7, "few")
    fake_clock.run_due()
    assert nested == [2, 2, 2, 2, 2, 2, 1]


@pytest.mark.parametrize("at", ["start", "end"])
def test_a_start_in_an_engine_that_died_counts(scheduler, fake_clock, crash_next, started, at):
    """Whether it happened nobody knows, nor when: it counts as late as it may have happened."""
    queue(scheduler, 9)
    fake_clock.run_due()
    crash_next("limited", at=at)
    queue(scheduler, 1)
    fake_clock.run_due()
    fake_clock.advance(seconds=59)
    assert Counter(started) == {0: 9 + (at == "end")}
    queue(scheduler, 9)
    fake_clock.advance(seconds=3)
    assert Counter(started) == {0: 9 + (at == "end"), 60: 9, 62: 1}


def test_what_an_engine_that_died_had_not_begun_does_not_count(scheduler, fake_clock, crash_next, started):
    crash_next("limited")
    queue(scheduler, 10)
    fake_clock.run_due()
    assert Counter(started) == {0: 10}  # the first of them died, and waits for its second start
