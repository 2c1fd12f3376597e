"""`cancel_running` cancels runs of its own job, and only when a firing finds no place."""

from datetime import UTC, datetime, timedelta

from tests.service.harness import Service, wait_until


def test_a_job_that_cancels_its_runs_is_not_moved_to_by_another_job_that_waits(service: Service) -> None:
    start = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    trigger = {"type": "interval", "seconds": 0.5, "start_date": start}
    blocked = {"id": "a-blocked", "task": "polite", "kwargs": {"seconds": 3}, "trigger": trigger}
    roomy = {"id": "roomy", "task": "polite", "kwargs": {"seconds": 0.7}, "trigger": trigger}
    service.post("/jobs", blocked, expect=201)
    service.post("/jobs", {**roomy, "overlap": "cancel_running", "max_instances": 3}, expect=201)
    wait_until(lambda: len(service.get("/jobs/roomy/runs", state="succeeded")["items"]) >= 3, within=10.0)
    assert service.get("/jobs/a-blocked/runs", state="scheduled")["items"]
    assert service.get("/jobs/roomy/runs", state="cancelled")["items"] == []


def test_a_firing_that_finds_its_job_busy_cancels_what_runs(service: Service) -> None:
    trigger = {"type": "interval", "seconds": 0.5}
    job = {"id": "newest", "task": "polite", "kwargs": {"seconds": 30}, "trigger": trigger, "overlap": "cancel_running"}
    service.post("/jobs", job, expect=201)
    cancelled = wait_until(lambda: service.get("/jobs/newest/runs", state="cancelled")["items"][1:], within=6.0)
    assert {run["reason"] for run in cancelled} == {"overlap"}
