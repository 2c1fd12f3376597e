"""Over a filled PostgreSQL every page and every reading of the API answers as it does over the same SQLite."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

import pytest

from scheduler_app.store.callers import api_keys
from scheduler_app.store.database import Database
from scheduler_app.testing.template import lay_store
from tests import postgres
from tests.clocks import SettableClock
from tests.dashboard.conftest import Visitor
from tests.dashboard.history import fill
from tests.dashboard.served import built
from tests.dashboard.world import NOW, registry, works

JOB, RUN = "/jobs/sync-ledger", "/runs/390"
PAGES = (
    *("/", "/scheduler", "/week", "/week?measure=busy", "/week?hour=2026-11-23T01:00:00Z", "/keys", "/search?q=sync"),
    *("/jobs", "/jobs?look=failing", "/jobs?look=missed", "/jobs?q=sync", "/jobs?by=tag", "/jobs?tag=billing"),
    *("/jobs?sort=next", "/jobs?sort=usual", "/jobs/new", f"{JOB}/edit", f"{JOB}/delete"),
    *(JOB, f"{JOB}?tab=settings", f"{JOB}?tab=changes", f"{JOB}?tab=links", f"{JOB}/run", f"{JOB}/pause"),
    *("/runs", "/runs?state=failed", "/runs?job=sync-ledger", "/runs?task=erp.sync_ledger&origin=schedule"),
    *(RUN, f"{RUN}/log", "/runs.csv", "/timeline", "/timeline?span=7d&sort=load", "/timeline?only=collisions&q=sync"),
)
READINGS = (
    *("/stats?step=hour", "/stats?step=minute", "/timeline", "/forecast", "/upcoming?within=600", "/audit", "/tasks"),
    *("/jobs?sort=next_run_time", "/jobs?q=sync", "/jobs?tag=billing", "/jobs?trigger=cron", JOB, f"{JOB}/stats"),
    *(f"{JOB}/runs", f"{JOB}/forecast", "/runs?state=failed", "/runs?sort=-finished_at", RUN, f"{RUN}/log"),
    *("/scheduler", "/api-keys"),
)
OF_THE_STORE = re.compile(r'data-csrf="[^"]*"|name="csrf_token" value="[^"]*"|"request_id": ?"[^"]*"')


@contextmanager
def world(url: str) -> Iterator[Visitor]:
    """A visitor of the world, in a store that is there and empty."""
    database = Database(url, synchronous="OFF")
    try:
        database.write_alone(lambda tx: tx.execute(api_keys.delete()))
        fill(database, list(works(45)), registry(), number=400, tell=lambda _: None)
        clock = SettableClock(NOW)
        visitor = Visitor(
            client=built(database, registry(), clock).test_client(), key="", database=database, clock=clock
        )
        visitor = visitor.as_role("admin")
        database.write_alone(lambda tx: tx.execute(api_keys.update().values(id=7)))
        yield visitor
    finally:
        database.close()


def told(visitor: Visitor, path: str) -> str:
    """Return what is answered, without what is of one store; in which order JSON has its names means nothing."""
    text = visitor.get(path)
    if path.startswith("/api/") and not path.endswith("/log"):
        text = json.dumps(json.loads(text), sort_keys=True, indent=1)
    return OF_THE_STORE.sub("", text)


@pytest.mark.slow
def test_pages_and_readings_tell_the_same_on_both_databases(postgresql: postgres.Server, tmp_path: Path) -> None:
    lay_store(tmp_path / "scheduler.db")
    with (
        world(f"sqlite:///{tmp_path / 'scheduler.db'}") as here,
        world(postgresql.fresh(postgres.TEMPLATE)) as there,
    ):
        differing = {}
        for path in (*PAGES, *(f"/api/v1{reading}" for reading in READINGS)):
            texts = [told(visitor, path) for visitor in (here, there)]
            if texts[0] != texts[1]:
                differing[path] = next((a, b) for a, b in zip_longest(*map(str.splitlines, texts)) if a != b)
    assert differing == {}
