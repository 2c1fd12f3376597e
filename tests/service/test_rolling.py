"""Two versions of a service on one store: an engine leaves alone what it does not know, and fires it all the same."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.service.harness import Service, wait_until
from tests.service.roles import Worker

pytestmark = pytest.mark.slow
FRESH = Path(__file__).with_name("fresh_tasks.py")
EVERY = timedelta(seconds=0.3)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Service]:
    """The web part of the new version."""
    service = Service(tmp_path, options=["--no-engine", "--tasks", str(FRESH)])
    yield service.start(within=45.0)
    service.clean_up()


@pytest.fixture
def old(front: Service, tmp_path: Path) -> Iterator[Worker]:
    """A worker of the old version."""
    worker = Worker(tmp_path)
    yield worker.start()
    worker.clean_up()


def test_what_no_engine_knows_is_fired_and_waits_for_one_that_does(front: Service, old: Worker, tmp_path: Path) -> None:
    trigger = {"type": "interval", "seconds": EVERY.total_seconds()}
    everything = {"overlap": "queue_all", "coalesce": False, "max_instances": 4}
    front.post("/jobs", {"id": "new", "task": "fresh", "trigger": trigger, **everything}, expect=201)
    wait_until(lambda: len(list(front.runs(job_id="new"))) >= 6, within=20.0, what="fired by the old engine")
    assert {run["state"] for run in front.runs(job_id="new")} <= {"queued", "scheduled"}
    assert front.get("/scheduler")["unknown_tasks"] == ["fresh"]
    assert "no engine has registered the task fresh" in front.get("/jobs/new/forecast")["why"]
    assert front.run_now("work")["state"] == "succeeded", "nobody waits behind them"

    young = Worker(tmp_path, options=["--tasks", str(FRESH)])
    try:
        young.start()
        wait_until(lambda: front.get("/scheduler")["unknown_tasks"] == [], within=5.0)
        front.post("/jobs/new/pause")
        wait_until(lambda: not any(front.get("/scheduler")["open_runs"].values()), within=20.0)
    finally:
        young.clean_up()
    runs = sorted(front.runs(job_id="new"), key=lambda run: run["scheduled_at"])
    at = [datetime.fromisoformat(run["scheduled_at"]) for run in runs]
    assert {later - earlier for earlier, later in pairwise(at)} == {EVERY}
    assert {(run["state"], run["attempt"]) for run in runs} == {("succeeded", 1)}
    marks = [mark for mark in front.marks("begin") if mark.job == "new"]
    assert {mark.pid for mark in marks} == {young.pid}
    assert set(Counter(mark.run for mark in marks).values()) == {1}


def test_runs_of_a_stopped_version_wait_and_their_job_can_still_be_changed(front: Service, old: Worker) -> None:
    run = front.add("fresh")
    assert front.run(run)["state"] == "queued"
    job = front.run(run)["job_id"]
    front.client.patch(f"/jobs/{job}", json={"priority": 5}).raise_for_status()
    front.client.delete(f"/jobs/{job}").raise_for_status()
    assert front.run(run)["state"] == "cancelled"
    assert front.get("/scheduler")["unknown_tasks"] == []
