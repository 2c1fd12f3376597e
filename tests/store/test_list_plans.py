"""No list call of the API reads more of a large store than a page needs: by index, without a scan, without a sort."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from scheduler_app.schemas.job import JobSort
from scheduler_app.store import by_measure, jobs, orders, parts, run_pages, schema
from scheduler_app.store.database import Database
from scheduler_app.store.jobs import JobFilter, JobPlace
from scheduler_app.store.lanes import driver_of
from scheduler_app.store.runs import RunFilter, RunPlace

AT = datetime(2026, 1, 1, tzinfo=UTC)
JOBS = (
    *({}, {"states": ("active",)}, {"states": ("paused", "broken")}, {"states": ("finished",)}, {"tasks": ("a", "b")}),
    *({"states": ("active", "finished")}, {"tags": ("a", "b")}, {"triggers": ("cron", "date")}, {"prefix": "a"}),
    *({"next_run_before": AT}, {"tasks": ("a",), "states": ("paused",), "tags": ("a",)}, {"id_prefix": "a"}),
)
RUNS = (
    *({}, {"states": ("succeeded",)}, {"states": ("failed", "lost")}, {"states": ("queued",)}, {"tasks": ("a", "b")}),
    *({"job_ids": ("a", "b")}, {"origins": ("manual", "retry")}, {"origins": ("schedule",)}, {"since": AT}),
    *({"until": AT}, {"since": AT, "until": AT, "states": ("failed",)}, {"tasks": ("a",), "states": ("failed",)}),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A new store, which no test writes to."""
    path = tmp_path_factory.mktemp("plans") / "s.db"
    database = Database(f"sqlite:///{path}", prepare=lambda store: schema.upgrade(store, on_create=lambda _: None))
    yield database
    database.close()


class Asked:
    """What a store is asked while a list is read, with the plan of each."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.plans: list[tuple[str, list[str]]] = []

    def of(self, read: Any, where: Any, after: Any) -> list[tuple[str, list[str]]]:
        """Read a page, and return every statement with its plan."""
        said: list[str] = []
        with self.database.read() as tx:
            driver: sqlite3.Connection = driver_of(tx)
            driver.set_trace_callback(said.append)
            try:
                read(tx, where, after=after, limit=50)
            finally:
                driver.set_trace_callback(None)
            return [(text, _plan(driver, text)) for text in dict.fromkeys(said)]


def _plan(driver: sqlite3.Connection, text: str) -> list[str]:
    return [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {text}")]


@pytest.mark.parametrize("sort", get_args(JobSort))
@pytest.mark.parametrize("deep", [False, True], ids=["first", "deep"])
def test_no_list_of_jobs_scans_or_sorts(database: Database, monkeypatch: pytest.MonkeyPatch, sort: str, deep: bool):
    monkeypatch.setattr(parts, "FEW", -1)
    after = JobPlace(value=5, id="5") if deep else None
    for given in JOBS:
        assert_walks(Asked(database).of(orders.page, JobFilter(sort=sort, **given), after), f"{sort} {given}")


@pytest.mark.parametrize("sort", ["-id", "-finished_at"])
@pytest.mark.parametrize("deep", [False, True], ids=["first", "deep"])
def test_no_list_of_runs_scans_or_sorts(database: Database, monkeypatch: pytest.MonkeyPatch, sort: str, deep: bool):
    monkeypatch.setattr(parts, "FEW", -1)
    after = RunPlace(value=5, id=5) if deep else None
    for given in RUNS:
        if "job_ids" not in given or sort == "-id":  # of one job so few are kept that they are sorted
            assert_walks(Asked(database).of(run_pages.page, RunFilter(sort=sort, **given), after), f"{sort} {given}")


@pytest.mark.parametrize("sort", sorted(by_measure.MEASURES))
def test_the_longest_and_the_latest_are_sorted_among_few_that_an_index_finds(database: Database, sort: str):
    for given in RUNS:
        for text, plan in Asked(database).of(run_pages.page, RunFilter(sort=sort, **given), None):
            assert "LIMIT" in text
            assert not [step for step in plan if step == "SCAN scheduler_runs"], (given, text, plan)


@pytest.mark.parametrize("sort", ["id", "-next_run_time", "updated_at", "usual"])
def test_what_fits_few_jobs_is_found_by_the_index_of_a_filter(database: Database, sort: str):
    for given in JOBS:
        for text, plan in Asked(database).of(orders.page, JobFilter(sort=sort, **given), None):
            assert not [step for step in plan if step == "SCAN scheduler_jobs"], (given, text, plan)


def test_pauses_that_will_end_are_found_among_all_that_hold(database: Database):
    asked = Asked(database).of(lambda tx, until, *, after, limit: jobs.soonest(tx, until, limit), AT, None)
    assert {step for _, plan in asked for step in plan} == {
        "SEARCH scheduler_jobs USING INDEX scheduler_jobs_due (next_run_time>? AND next_run_time<?)",
        "SEARCH scheduler_jobs USING INDEX scheduler_jobs_lapsing (paused_until>? AND paused_until<?)",
    }


def assert_walks(asked: list[tuple[str, list[str]]], what: str) -> None:
    """Assert that the pages are read in the order of an index, of which only the beginning is read."""
    pages = [(text, plan) for text, plan in asked if "ORDER BY" in text and "count(*)" not in text]
    assert pages, what
    for text, plan in pages:
        assert not any("TEMP B-TREE" in step for step in plan), (what, text, plan)
        whole = [step for step in plan if step.startswith("SCAN scheduler_") and " USING " not in step]
        assert not whole or "ORDER BY scheduler_runs.id DESC" in text, (what, text, plan)
    for text, plan in asked:
        if "count(*)" in text:
            assert not any(step.startswith("SCAN scheduler_runs") and "INDEX" not in step for step in plan), (
                what,
                plan,
            )
