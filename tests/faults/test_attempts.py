"""Timeouts, retries and cancelling: the state is written when it is due, by who holds the run, and only once."""

import os
import signal
from datetime import datetime

import pytest

from tests.service.harness import Service, wait_until


def seconds_between(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def test_a_task_deaf_to_its_timeout_is_timed_out_at_its_deadline_and_its_late_result_is_refused(
    shared: Service,
) -> None:
    run = shared.run_now("deaf", kwargs={"seconds": 1.5}, timeout=0.5)
    assert (run["state"], run["reason"], run["error"]["type"]) == ("timed_out", "timeout", "TimeoutError")
    assert 0.5 <= run["duration"] < 1.0
    assert shared.marks("end", run["id"]) == []
    wait_until(lambda: shared.marks("end", run["id"]), within=5.0)
    wait_until(lambda: f"late result of run {run['id']} was refused" in shared.said(), within=5.0)
    assert shared.run(run["id"]) == run


@pytest.mark.slow
def test_a_task_that_still_prints_beside_its_next_attempt_harms_neither(shared: Service) -> None:
    run = shared.add("chatty", kwargs={"seconds": 3.0}, timeout=0.5, max_retries=1, retry_delay=0)
    ended = shared.ended(run)
    assert (ended["state"], ended["attempt"]) == ("timed_out", 2)
    wait_until(lambda: len(shared.marks("end", run)) == 2, within=8.0)
    assert shared.run_now("work")["state"] == "succeeded"
    assert set(shared.log_of(run).splitlines()) == {"the same line"}


def test_failures_are_tried_again_until_one_succeeds(shared: Service) -> None:
    run = shared.run_now("fails_until", kwargs={"attempt": 3}, max_retries=5, retry_delay=0.1, retry_backoff=1)
    assert (run["state"], run["attempt"], run["result"], run["error"]) == ("succeeded", 3, 3, None)
    assert [mark.attempt for mark in shared.marks("begin", run["id"])] == [1, 2, 3]


def test_failures_end_when_the_retries_are_used_up(shared: Service) -> None:
    run = shared.run_now("fails_until", kwargs={"attempt": 9}, max_retries=2, retry_delay=0)
    assert (run["state"], run["attempt"]) == ("failed", 3)
    assert run["error"]["message"] == "not at attempt 3"


def test_a_queued_run_is_cancelled_at_once_and_never_begins(shared: Service) -> None:
    job = {"id": "narrow", "task": "polite", "kwargs": {"seconds": 30}, "trigger": {"type": "interval", "hours": 9}}
    shared.post("/jobs", job, expect=201)
    first, second = (shared.post("/jobs/narrow/run", expect=202)["id"] for _ in range(2))
    shared.in_state(first, "running")
    assert (shared.run(second)["state"], shared.run(second)["reason"]) == ("scheduled", "blocked")
    assert shared.post(f"/runs/{second}/cancel", expect=202)["state"] == "cancelled"
    shared.post(f"/runs/{first}/cancel", expect=202)
    ended = shared.ended(first, within=3.0)
    assert (ended["state"], ended["reason"]) == ("cancelled", "requested")
    assert (len(shared.marks("begin", first)), shared.marks("begin", second)) == (1, [])
    assert shared.client.post(f"/runs/{first}/cancel", json={}).status_code == 409


def test_a_running_task_that_never_asks_succeeds_although_it_was_cancelled(shared: Service) -> None:
    run = shared.add("deaf", kwargs={"seconds": 1.0})
    shared.in_state(run, "running")
    shared.post(f"/runs/{run}/cancel", expect=202)
    assert shared.ended(run)["state"] == "succeeded"


@pytest.mark.slow
def test_a_long_run_that_was_in_a_crash_does_not_keep_the_engine_to_itself(service: Service) -> None:
    long = service.add("polite", kwargs={"seconds": 60})
    service.in_state(long, "running")
    [worker] = service.workers()
    os.kill(worker, signal.SIGKILL)  # the arbiter lives, so the run is suspected
    wait_until(lambda: service.workers() not in ([], [worker]) and service.is_ready(), within=10.0)
    wait_until(lambda: (run := service.run(long))["attempt"] == 2 and run["state"] == "running", within=10.0)
    assert service.run_now("work", within=6.0)["state"] == "succeeded"
    assert service.run(long)["state"] == "running"
