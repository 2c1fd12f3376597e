"""Ten thousand one-offs that are due at one moment are each executed exactly once."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from scheduler_app.app import create_app
from scheduler_app.app.loading import load_tasks
from scheduler_app.domain.job import JobSpec
from scheduler_app.domain.policy import Overrides
from scheduler_app.domain.task import default_registry
from scheduler_app.extension.core import Core
from scheduler_app.services.admission import admit
from scheduler_app.settings import Settings
from scheduler_app.store import jobs
from tests.service.harness import TASKS, Service, wait_until

MANY = 10_000


def add_jobs(data: Path, at: datetime, number: int = MANY) -> float:
    """Add them in one transaction; how many seconds it took."""
    began = time.monotonic()
    load_tasks([str(TASKS)], demo=False)
    app = create_app(Settings(data=data, engine="off"))
    core: Core = app.extensions["scheduler_core"]
    trigger = {"type": "date", "run_date": at.isoformat()}
    now = core.clock.now()
    specs = [
        JobSpec(id=f"one-{n}", task="tick", args=[], kwargs={}, trigger=trigger, overrides=Overrides())
        for n in range(number)
    ]
    admitted = [admit(spec, core.registry, now) for spec in specs]
    core.database.write(lambda tx: [jobs.insert(tx, job, jobs.values_of(job)) for job in admitted])
    core.database.close()
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.long
def test_ten_thousand_one_offs_at_one_moment_succeed_exactly_once(
    stopped: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_registry, "_tasks", {})  # what is loaded here stays here
    a_fifth = add_jobs(tmp_path / "trial", datetime.now(UTC) + timedelta(days=1), MANY // 5)
    monkeypatch.setattr(default_registry, "_tasks", {})
    stopped.start()
    at = datetime.now(UTC) + timedelta(seconds=4 + 2 * 5 * a_fifth)
    add_jobs(stopped.data, at)
    assert datetime.now(UTC) < at, "they should come due while it runs"
    with httpx.Client(timeout=10.0) as client:
        wait_until(lambda: stopped.get("/scheduler")["jobs"] == {"finished": MANY}, within=60.0, what="all finished")
        assert client.get(f"{stopped.url}/readyz").status_code == 200
    assert Counter(run["state"] for run in stopped.runs()) == {"succeeded": MANY}
    begun = Counter(mark.job for mark in stopped.marks("begin"))
    assert (len(begun), max(begun.values())) == (MANY, 1)
