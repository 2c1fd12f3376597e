"""Ten thousand one-offs that are due at one moment are each executed exactly once."""

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


def add_jobs(data: Path, at: datetime) -> None:
    """Add them in one transaction, before any service runs."""
    load_tasks([str(TASKS)], demo=False)
    app = create_app(Settings(data=data, engine="off"))
    core: Core = app.extensions["scheduler_core"]
    trigger = {"type": "date", "run_date": at.isoformat()}
    now = core.clock.now()
    specs = [
        JobSpec(id=f"one-{n}", task="tick", args=[], kwargs={}, trigger=trigger, overrides=Overrides())
        for n in range(MANY)
    ]
    admitted = [admit(spec, core.registry, now) for spec in specs]
    core.database.write(lambda tx: [jobs.insert(tx, job, jobs.values_of(job)) for job in admitted])
    core.database.close()


@pytest.mark.slow
@pytest.mark.long
def test_ten_thousand_one_offs_at_one_moment_succeed_exactly_once(
    stopped: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_registry, "_tasks", {})  # what is loaded here stays here
    at = datetime.now(UTC) + timedelta(seconds=20)
    add_jobs(stopped.data, at)
    stopped.start()
    assert datetime.now(UTC) < at, "they should come due while it runs"
    with httpx.Client(timeout=10.0) as client:
        wait_until(lambda: stopped.get("/scheduler")["jobs"] == {"finished": MANY}, within=60.0, what="all finished")
        assert client.get(f"{stopped.url}/readyz").status_code == 200
    assert Counter(run["state"] for run in stopped.runs()) == {"succeeded": MANY}
    begun = Counter(mark.job for mark in stopped.marks("begin"))
    assert (len(begun), max(begun.values())) == (MANY, 1)
