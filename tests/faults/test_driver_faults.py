"""The driver fails at every fifth commit, before it or after it: no firing is lost, none doubled, no thread dies."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler_app.failpoints import POINTS, VARIABLE
from tests.faults.forms import SEED, form
from tests.service.harness import Service, wait_until

JOBS, FIRINGS = 100, 5
COMMITS = [point for point in POINTS if point.startswith("store.")]
STEPS = [point for point in POINTS if point.partition(".")[0] in ("fire", "claim", "settle")]


def failing(points: list[str], probability: float) -> str:
    return ";".join(f"{point}=error:{probability}:{SEED + number}" for number, point in enumerate(points))


def add_whatever_fails(service: Service, jobs: list[dict[str, Any]]) -> None:
    """Add jobs as a client should: again until they are there."""

    def added() -> bool:
        answer = service.client.post("/jobs/batch", json={"jobs": jobs})
        assert answer.status_code in (200, 503), answer.text
        return service.get("/scheduler")["jobs"] == {"active": len(jobs)}

    wait_until(added, within=20.0, what="all added")


@pytest.mark.slow
@pytest.mark.parametrize("points", [COMMITS, STEPS], ids=["commits", "steps"])
def test_100_jobs_of_5_firings_end_as_500_runs(stopped: Service, points: list[str]) -> None:
    print(f"CHAOS_SEED={SEED}")
    stopped.start().kill()
    stopped.env[VARIABLE] = failing(points, 0.2)
    stopped.start(ready=False)
    began = datetime.now(UTC) + timedelta(seconds=5)
    ends = began + timedelta(seconds=FIRINGS - 1)
    trigger = {"type": "interval", "seconds": 1, "start_date": began.isoformat(), "end_date": ends.isoformat()}
    job = {"task": "tick", "trigger": trigger, "coalesce": False, "overlap": "queue_all"}
    add_whatever_fails(stopped, [{"id": f"job-{number}", **job} for number in range(JOBS)])
    assert datetime.now(UTC) < began, "they should come due while it runs"
    wait_until(
        lambda: stopped.get("/scheduler")["jobs"] == {"finished": JOBS}, within=form(60.0, 120.0), what="all finished"
    )
    runs = list(stopped.runs())
    assert Counter((run["state"], run["attempt"], run["crashes"]) for run in runs) == {
        ("succeeded", 1, 0): JOBS * FIRINGS
    }
    assert set(Counter(mark.run for mark in stopped.marks("begin")).values()) == {1}
    assert len(stopped.marks("begin")) == JOBS * FIRINGS
    assert stopped.process.poll() is None
    assert "failpoint" in stopped.said()
