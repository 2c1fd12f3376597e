"""Two services on one store: they share the work, no firing is executed twice, and one rescues the other's runs."""

from collections import Counter

import pytest

from tests.service.harness import Service, wait_until

JOBS = 50


def fire_for(service: Service, firings: int) -> None:
    """Add the jobs, wait until each has fired so often on the whole, and pause them."""
    for number in range(JOBS):
        trigger = {"type": "interval", "seconds": 0.5}
        service.post("/jobs", {"id": f"beat-{number}", "task": "tick", "trigger": trigger}, expect=201)
    wait_until(lambda: len(service.marks("begin")) >= JOBS * firings, within=30.0)
    service.post("/scheduler/pause")
    wait_until(lambda: not any(service.get("/scheduler")["open_runs"].values()), within=10.0)


@pytest.mark.slow
def test_no_firing_is_executed_twice_and_both_work(pair: list[Service]) -> None:
    service, _ = pair
    fire_for(service, firings=16)
    runs = list(service.runs())
    assert max(Counter((run["job_id"], run["scheduled_at"]) for run in runs).values()) == 1
    assert max(Counter(mark.run for mark in service.marks("begin")).values()) == 1
    assert len({mark.pid for mark in service.marks("begin")}) == 2
    assert {run["state"] for run in runs} <= {"succeeded", "missed", "skipped"}


@pytest.mark.slow
def test_one_rescues_the_runs_of_the_other_within_five_seconds(pair: list[Service]) -> None:
    killed, rescuer = pair
    runs = [killed.add("polite", kwargs={"seconds": 3}) for _ in range(6)]
    wait_until(lambda: len(killed.marks("begin")) == 6, within=5.0)
    marks = killed.marks("begin")
    theirs = {mark.run for mark in marks if mark.pid in killed.workers()}
    if not theirs:
        killed, rescuer = rescuer, killed
        theirs = {mark.run for mark in marks if mark.pid in killed.workers()}
    killed.kill()
    wait_until(lambda: {mark.run for mark in rescuer.marks("begin") if mark.attempt == 2} >= theirs, within=5.0)
    assert {rescuer.ended(run, within=15.0)["state"] for run in runs} == {"succeeded"}
