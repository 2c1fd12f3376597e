"""Listeners hear of jobs, runs and the scheduler in APScheduler's words, and harm nobody."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.events import (
    EVENT_ALL_JOBS_REMOVED,
    EVENT_JOB_ADDED,
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    EVENT_JOB_MODIFIED,
    EVENT_JOB_REMOVED,
    EVENT_SCHEDULER_PAUSED,
    EVENT_SCHEDULER_RESUMED,
    EVENT_SCHEDULER_SHUTDOWN,
    EVENT_SCHEDULER_STARTED,
)
from flask import Flask

from scheduler_app import Scheduler
from tests.aps import work

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OF_THE_SCHEDULER = EVENT_SCHEDULER_STARTED | EVENT_SCHEDULER_SHUTDOWN | EVENT_SCHEDULER_PAUSED | EVENT_SCHEDULER_RESUMED


@pytest.fixture
def seen(scheduler: Scheduler) -> list:
    events: list = []
    scheduler.add_listener(events.append)
    return events


def codes(events: list) -> list[int]:
    return [event.code for event in events]


def test_listeners_hear_of_jobs_and_of_runs_in_apschedulers_words(scheduler, fake_clock, seen):
    @scheduler.task
    def fails() -> None:
        raise ValueError("no")

    @scheduler.task
    def works() -> int:
        return 42

    scheduler.add_job("good", works, trigger="interval", minutes=1)
    scheduler.add_job("bad", fails, trigger="date", run_date=BEGIN + timedelta(minutes=1))
    fake_clock.advance(minutes=1)
    scheduler.modify_job("good", name="better")
    scheduler.remove_job("good")
    assert codes(seen)[:2] == [EVENT_JOB_ADDED, EVENT_JOB_ADDED]
    assert codes(seen)[-2:] == [EVENT_JOB_MODIFIED, EVENT_JOB_REMOVED]
    done, failed = sorted(seen[2:4], key=lambda event: event.code)
    assert (done.code, done.job_id, done.retval) == (EVENT_JOB_EXECUTED, "good", 42)
    assert (failed.code, failed.job_id) == (EVENT_JOB_ERROR, "bad")
    assert isinstance(failed.exception, ValueError)
    assert 'raise ValueError("no")' in failed.traceback
    assert failed.scheduled_run_time == BEGIN + timedelta(minutes=1)


def test_listeners_hear_of_misfires(scheduler, fake_clock, seen):
    scheduler.add_job("late", work.note, trigger="interval", minutes=1, misfire_grace_time=10)
    fake_clock.jump(minutes=1, seconds=30)
    missed = [event for event in seen if event.code == EVENT_JOB_MISSED]
    assert [(event.job_id, event.scheduled_run_time) for event in missed] == [("late", BEGIN + timedelta(minutes=1))]


def test_listeners_hear_of_the_scheduler_and_a_mask_chooses(scheduler, fake_clock, seen):
    only_removed: list = []
    scheduler.add_listener(only_removed.append, EVENT_ALL_JOBS_REMOVED)
    scheduler.pause()
    scheduler.resume()
    scheduler.remove_all_jobs()
    assert codes(seen) == [EVENT_SCHEDULER_PAUSED, EVENT_SCHEDULER_RESUMED, EVENT_ALL_JOBS_REMOVED]
    assert codes(only_removed) == [EVENT_ALL_JOBS_REMOVED]
    scheduler.remove_listener(only_removed.append)


def test_a_listener_that_raises_harms_nobody(scheduler, fake_clock, seen):
    scheduler.add_listener(lambda event: 1 / 0)
    work.calls.clear()
    scheduler.add_job("a", work.note, trigger="interval", minutes=1)
    fake_clock.advance(minutes=2)
    assert len(work.calls) == 2


def test_start_pause_resume_and_shutdown_show_in_the_state_and_to_listeners(tmp_path: Path):
    scheduler = Scheduler()
    seen: list = []
    scheduler.add_listener(seen.append, OF_THE_SCHEDULER)
    scheduler.init_app(Flask(__name__, instance_path=str(tmp_path)))
    assert (scheduler.state, scheduler.running) == (0, False)
    scheduler.start(paused=True)
    assert (scheduler.state, scheduler.scheduler.state, scheduler.running) == (2, 2, True)
    scheduler.resume()
    assert scheduler.state == 1
    scheduler.shutdown()
    assert (scheduler.state, scheduler.running) == (0, False)
    assert codes(seen) == [
        EVENT_SCHEDULER_PAUSED,
        EVENT_SCHEDULER_STARTED,
        EVENT_SCHEDULER_RESUMED,
        EVENT_SCHEDULER_SHUTDOWN,
    ]
    scheduler.core.close()


def test_a_slow_listener_delays_no_firing(tmp_path: Path):
    app = Flask(__name__, instance_path=str(tmp_path))
    scheduler = Scheduler(app)
    told, go_on = threading.Event(), threading.Event()

    def slow(event: object) -> None:
        told.set()
        go_on.wait(20)

    @scheduler.task
    def quick() -> int:
        return 1

    scheduler.add_listener(slow, EVENT_JOB_EXECUTED)
    scheduler.start()
    quick.delay().wait(20)
    assert told.wait(20)
    assert quick.delay().wait(20).result == 1
    go_on.set()
    scheduler.shutdown()
    scheduler.core.close()
