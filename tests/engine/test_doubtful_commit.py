"""A commit may have happened although the driver says that it failed: what it settled is not held for late."""

import sqlite3

import pytest
import sqlalchemy as sa

from scheduler_app import current_run, failpoints
from scheduler_app.errors import StoreUnavailable
from scheduler_app.failpoints import parse
from scheduler_app.signals import LateResultRefused, RunEnded
from scheduler_app.store.tables import runs


@pytest.fixture
def events(scheduler):
    heard: list[object] = []
    scheduler.core.ctx.bus.subscribe(heard.append)
    return heard


def late_results(scheduler) -> list[int]:
    with scheduler.core.database.read() as tx:
        return list(tx.execute(sa.select(runs.c.late_results)).scalars())


def fail_at_settling(scheduler, fake_clock, monkeypatch, point: str) -> None:
    with monkeypatch.context() as armed:
        armed.setattr(failpoints, "ACTIONS", parse(f"{point}=error"))
        with pytest.raises((sqlite3.OperationalError, StoreUnavailable)):
            fake_clock.run_due()
    fake_clock.run_due()


@pytest.mark.parametrize("point", ["settle.before_commit", "settle.after_commit"])
def test_a_run_is_settled_and_told_once_whether_the_failed_commit_happened_or_not(
    scheduler, fake_clock, monkeypatch, events, point
):
    @scheduler.task
    def work() -> str:
        return "done"

    run = work.delay()
    fail_at_settling(scheduler, fake_clock, monkeypatch, point)
    assert (run.state, run.result) == ("succeeded", "done")
    assert [event.run_id for event in events if isinstance(event, RunEnded)] == [run.id]
    assert [event for event in events if isinstance(event, LateResultRefused)] == []
    assert late_results(scheduler) == [0]


def test_a_failed_attempt_whose_retry_was_decided_is_told_once_too(scheduler, fake_clock, monkeypatch, events):
    @scheduler.task(max_retries=1, retry_delay=60)
    def fails() -> None:
        raise ValueError

    run = fails.delay()
    fail_at_settling(scheduler, fake_clock, monkeypatch, "settle.after_commit")
    assert [event.will_retry for event in events if isinstance(event, RunEnded)] == [True]
    fake_clock.advance(minutes=5)
    assert (run.state, run.run.attempt, late_results(scheduler)) == ("failed", 2, [0])


def test_a_task_that_ends_at_the_moment_of_its_timeout_is_late_all_the_same(scheduler, fake_clock, events):
    @scheduler.task(timeout=5)
    def sleeps() -> None:
        current_run.sleep(60)

    run = sleeps.delay()
    fake_clock.run_due()
    assert (run.state, late_results(scheduler)) == ("timed_out", [1])
    assert [event.state for event in events if isinstance(event, RunEnded)] == ["timed_out"]
    assert [event.run_id for event in events if isinstance(event, LateResultRefused)] == [run.id]
