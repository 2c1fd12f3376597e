"""Jitter: runs are spread, firings are not moved."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from scheduler_app import current_run
from scheduler_app.domain.jitter import jitter_of, ready_at
from scheduler_app.services import jobs
from scheduler_app.testing.clock import START

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_delay_of_a_firing_is_the_same_in_every_process():
    program = (
        "from datetime import *; from scheduler_app.domain.jitter import ready_at;"
        "print(ready_at(7, datetime(2026, 3, 1, 12, tzinfo=timezone.utc), timedelta(seconds=60)).isoformat())"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == ready_at(7, NOON, MINUTE).isoformat()


@pytest.mark.parametrize("firings", ["of one job", "of many jobs"])
def test_delays_are_spread_evenly_below_the_jitter_and_finer_than_a_second(firings):
    keys = [(1, NOON + MINUTE * at) if firings == "of one job" else (at, NOON) for at in range(6000)]
    delays = [ready_at(key, moment, MINUTE) - moment for key, moment in keys]
    assert all(timedelta(0) <= delay < MINUTE for delay in delays)
    tenths = Counter(delay // timedelta(seconds=6) for delay in delays)
    assert len(tenths) == 10
    assert all(500 < count < 700 for count in tenths.values())
    assert len({delay.microseconds for delay in delays}) > 5000


def test_without_jitter_nothing_waits():
    assert ready_at(1, NOON, timedelta(0)) == NOON
    assert jitter_of('{"type": "interval", "minutes": 1}') == timedelta(0)
    assert jitter_of('{"type": "interval", "minutes": 1, "jitter": 0.5}') == timedelta(seconds=0.5)


@pytest.mark.parametrize(
    "trigger",
    [
        {"type": "interval", "minutes": 10},
        {"type": "cron", "expression": "*/10 * * * *"},
        {"type": "cron", "minute": "*/10"},
        {"type": "calendarinterval", "days": 1, "minute": 10},
        {"type": "or", "triggers": [{"type": "interval", "minutes": 10}]},
        {"type": "and", "triggers": [{"type": "interval", "minutes": 10}]},
    ],
)
def test_a_run_waits_scheduled_for_its_jitter_and_then_runs_at_that_time(
    scheduler, fake_clock, watch, nothing, trigger
):
    job = scheduler.add_job("job", nothing, trigger=trigger | {"jitter": 300})
    wait = ready_at(job.key, START + 10 * MINUTE, timedelta(seconds=300))
    fake_clock.advance(minutes=10)
    assert watch.story("job") == ["scheduled @10 jitter"]
    fake_clock.advance(minutes=5)
    run = watch.runs("job")[0]
    assert (run.state, run.scheduled_at, run.started_at) == ("succeeded", START + 10 * MINUTE, wait)


def test_jitter_moves_no_later_firing(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1, jitter=50)
    fake_clock.advance(minutes=30)
    fake_clock.advance(seconds=50)
    assert watch.story("job") == [f"succeeded @{at}" for at in range(1, 31)]


def test_misfire_is_judged_when_fired_not_when_the_jitter_is_over(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=10, jitter=599, misfire_grace_time=1)
    fake_clock.advance(minutes=20)
    assert watch.story("job")[0] == "succeeded @10"
    fake_clock.jump(minutes=10, seconds=2)
    fake_clock.run_due()
    assert watch.story("job")[2] == "missed @30-30 x1 misfire_grace_time"


def test_a_late_firing_whose_jitter_is_over_runs_at_once(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=60, jitter=60)
    fake_clock.jump(minutes=62)
    fake_clock.run_due()
    assert watch.story("job") == ["succeeded @60"]


def test_a_run_whose_jitter_ends_while_its_job_is_busy_waits_for_a_place(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=10, jitter=60)
    fake_clock.advance(minutes=10)
    del scheduler.registry._tasks["nothing"]  # nobody claims it, so the job stays busy
    assert watch.story("job") == ["scheduled @10 jitter"]
    fake_clock.advance(minutes=1)
    assert watch.story("job") == ["queued @10"]
    fake_clock.advance(minutes=10)
    fake_clock.advance(minutes=1)
    assert watch.story("job") == ["queued @10", "scheduled @20 blocked"]


@pytest.mark.parametrize(
    ("overlap", "story"),
    [
        # the first waits for its jitter, one more may come, further ones are skipped
        ("queue_one", ["scheduled @1 jitter", "scheduled @2 jitter", "skipped @3 overlap", "skipped @4 overlap"]),
        ("skip", ["scheduled @1 jitter", "skipped @2 overlap", "skipped @3 overlap", "skipped @4 overlap"]),
    ],
)
def test_a_run_that_waits_for_its_jitter_keeps_its_job_busy(
    scheduler, fake_clock, watch, nothing, monkeypatch, overlap, story
):
    monkeypatch.setattr("scheduler_app.store.firing.ready_at", lambda key, at, jitter: at + jitter)
    scheduler.add_job("job", nothing, trigger="interval", minutes=1, jitter=3600, overlap=overlap)
    fake_clock.advance(minutes=4)
    assert watch.story("job") == story


def test_a_deleted_job_leaves_no_run_waiting_for_its_jitter(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=10, jitter=300)
    fake_clock.advance(minutes=10)
    jobs.delete_job("job", ctx=scheduler.core.ctx)
    assert watch.story("job") == ["cancelled @10 job_deleted"]


def test_a_task_sees_the_time_of_the_firing(scheduler, fake_clock):
    seen = []

    @scheduler.task
    def look() -> None:
        seen.append(current_run.scheduled_at)

    scheduler.add_job("job", look, trigger="interval", minutes=10, jitter=300)
    fake_clock.advance(minutes=16)
    assert seen == [START + 10 * MINUTE]


def test_with_cancel_running_a_firing_takes_the_place_of_one_that_waits_for_its_jitter(
    scheduler, fake_clock, watch, nothing, monkeypatch
):
    monkeypatch.setattr("scheduler_app.store.firing.ready_at", lambda key, at, jitter: at + jitter)
    scheduler.add_job("job", nothing, trigger="interval", minutes=1, jitter=3600, overlap="cancel_running")
    fake_clock.advance(minutes=3)
    assert watch.story("job") == ["cancelled @1 overlap", "cancelled @2 overlap", "scheduled @3 jitter"]
