"""Policies: places, overlap, retries, timeouts and cancel."""

from datetime import timedelta
from itertools import pairwise

import pytest

from scheduler_app import current_run
from scheduler_app.domain.job import JobState
from scheduler_app.domain.retry import RetryPolicy
from scheduler_app.errors import InvalidInput
from scheduler_app.services import jobs, runs


@pytest.fixture
def slow(scheduler):
    """A task that takes 150 simulated seconds."""

    @scheduler.task
    def slow() -> None:
        current_run.sleep(150)

    return slow


def test_a_failed_attempt_is_retried_after_growing_delays_and_then_final(scheduler, fake_clock, watch):
    starts = []

    @scheduler.task(max_retries=2, retry_delay=60, retry_backoff=3, retry_jitter=0)
    def fail() -> None:
        starts.append(fake_clock.now())
        raise ValueError(f"attempt {current_run.attempt}")

    run = fail.delay()
    fake_clock.advance(minutes=10)
    assert [later - first for first, later in pairwise(starts)] == [
        timedelta(seconds=60),
        timedelta(seconds=180),
    ]
    assert (run.state, run.run.attempt, run.run.max_attempts) == ("failed", 3, 3)
    assert (run.run.error.type, run.run.error.message) == ("ValueError", "attempt 3")


def test_a_run_that_waits_for_a_retry_says_so_and_keeps_its_error(scheduler, fake_clock):
    @scheduler.task(max_retries=1, retry_delay=60)
    def fail() -> None:
        raise ValueError("no")

    run = fail.delay()
    fake_clock.run_due()
    assert (run.state, run.run.reason, run.run.error.message) == ("scheduled", "retry", "no")


def test_every_attempt_and_no_other_firing_has_the_same_idempotency_key(scheduler, fake_clock):
    keys = []

    @scheduler.task(max_retries=1, retry_delay=1)
    def fail() -> None:
        keys.append(current_run.idempotency_key)
        raise ValueError

    scheduler.add_job("job", fail, trigger="interval", minutes=1)
    fake_clock.advance(minutes=2, seconds=30)
    assert keys[0] == keys[1] != keys[2] == keys[3]


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        (1, 5.0),  # the first delay
        (2, 10.0),  # doubled
        (3, 20.0),  # again
        (99, 100.0),  # never longer than the longest
    ],
)
def test_delays_grow_up_to_the_longest(failures, expected):
    assert RetryPolicy(delay=5, backoff=2, max_delay=100, jitter=0).after(failures, seed="x") == expected


def test_jitter_spreads_delays_within_its_share_the_same_way_each_time():
    policy = RetryPolicy(delay=100, backoff=1, max_delay=100, jitter=0.2)
    delays = [policy.after(1, seed=str(seed)) for seed in range(200)]
    assert all(80 <= delay <= 120 for delay in delays)
    assert max(delays) - min(delays) > 30
    assert delays == [policy.after(1, seed=str(seed)) for seed in range(200)]


def test_a_run_beyond_max_instances_waits_blocked_and_starts_when_a_place_is_free(scheduler, fake_clock, watch, slow):
    scheduler.add_job("job", slow, trigger="date", run_date="2027-01-01T00:00:00Z")
    ctx = scheduler.core.ctx
    first, second, third = (jobs.run_job("job", ctx=ctx) for _ in range(3))
    assert [run.state for run in (first, second, third)] == ["queued", "scheduled", "scheduled"]
    assert (second.reason, third.reason) == ("blocked", "blocked")
    fake_clock.run_due()
    ended = [runs.get_run(run.id, ctx=ctx) for run in (first, second, third)]
    assert [run.state for run in ended] == ["succeeded"] * 3
    assert ended[1].started_at >= ended[0].finished_at
    assert ended[2].started_at >= ended[1].finished_at


@pytest.mark.parametrize(
    ("overlap", "story"),
    [
        # one firing waits, further ones are recorded as skipped
        ("queue_one", ["queued @1", "scheduled @2 blocked", "skipped @3 overlap", "skipped @4 overlap"]),
        ("queue_all", ["queued @1", "scheduled @2 blocked", "scheduled @3 blocked", "scheduled @4 blocked"]),
        ("skip", ["queued @1", "skipped @2 overlap", "skipped @3 overlap", "skipped @4 overlap"]),
    ],
)
def test_a_firing_that_finds_its_job_busy_follows_the_overlap_policy(
    scheduler, fake_clock, watch, slow, overlap, story
):
    scheduler.add_job("job", slow, trigger="interval", minutes=1, overlap=overlap)
    del scheduler.registry._tasks["slow"]  # nobody claims it, so the job stays busy
    fake_clock.advance(minutes=4)
    assert watch.story("job") == story


def test_cancelling_a_queued_run_frees_its_place(scheduler, fake_clock, watch, slow):
    scheduler.add_job("job", slow, trigger="date", run_date="2027-01-01T00:00:00Z")
    ctx = scheduler.core.ctx
    first, second = (jobs.run_job("job", ctx=ctx) for _ in range(2))
    assert runs.cancel_run(first.id, ctx=ctx).state == "cancelled"
    assert runs.get_run(second.id, ctx=ctx).state == "queued"


def test_a_cancelled_one_off_is_finished(scheduler, fake_clock, watch, slow):
    run = slow.delay()
    run.cancel()
    fake_clock.run_due()
    assert run.state == "cancelled"
    assert watch.job(run.job_id).state is JobState.FINISHED


def test_an_attempt_past_its_timeout_is_timed_out_and_asked_to_stop(scheduler, fake_clock):
    stopped = []

    @scheduler.task(timeout=30)
    def sleepy() -> None:
        try:
            current_run.sleep(3600)
        finally:
            stopped.append(current_run.cancelled)

    run = sleepy.delay()
    fake_clock.run_due()
    assert (run.state, run.run.error.type, stopped) == ("timed_out", "TimeoutError", [True])
    assert run.run.duration == 30


def test_deleting_a_job_cancels_its_waiting_runs_and_keeps_its_history(scheduler, fake_clock, watch, slow):
    scheduler.add_job("job", slow, trigger="interval", minutes=1)
    fake_clock.advance(minutes=1)
    waiting = jobs.run_job("job", ctx=scheduler.core.ctx)
    scheduler.remove_job("job")
    assert watch.story("job")[0] == "succeeded @1"
    assert runs.get_run(waiting.id, ctx=scheduler.core.ctx).reason == "job_deleted"


def test_a_job_id_may_be_used_again_after_a_delete_and_history_tells_them_apart(scheduler, fake_clock, watch, slow):
    keys = set()
    for _ in range(2):
        keys.add(scheduler.add_job("job", slow, trigger="interval", minutes=1).key)
        fake_clock.advance(minutes=1)
        scheduler.remove_job("job")
    assert len(keys) == 2
    assert {run.job_key for run in watch.runs("job")} == keys


def test_at_most_once_with_retries_is_refused(scheduler, fake_clock, slow):
    with pytest.raises(InvalidInput, match="max_retries"):
        scheduler.add_job("job", slow, delivery="at_most_once", max_retries=1)
