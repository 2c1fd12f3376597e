"""Lists hold what fits, each once and in one order, whether few fit and are sorted, or an index is walked."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scheduler_app.clock import to_micros
from scheduler_app.store import jobs, orders, parts, run_pages, schema
from scheduler_app.store.database import Database
from scheduler_app.store.jobs import JobFilter
from scheduler_app.store.runs import RunFilter
from tests import bulk

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
JOBS = (
    *({}, {"states": ("paused",)}, {"states": ("finished", "broken")}, {"tasks": ("task_03", "task_04")}),
    *({"tags": ("blue", "rare")}, {"triggers": ("cron",)}, {"prefix": "job-0000001"}, {"prefix": "Report"}),
    *({"prefix": "task_0"}, {"next_run_before": NOW + timedelta(days=1, seconds=150)}, {"first_tag": ""}),
    *({"tasks": ("task_00",), "states": ("paused",), "tags": ("blue",)}, {"id_prefix": "job-0000002"}),
)
JOB_SORTS = ("id", "-id", "next_run_time", "-next_run_time", "-updated_at", "usual", "-last_failure")
RUNS = (
    *({}, {"states": ("failed", "missed")}, {"states": ("succeeded",)}, {"tasks": ("task_03", "task_04")}),
    *(
        {"job_ids": ("job-00000042", "job-00000077")},
        {"origins": ("manual", "once")},
        {"since": NOW - timedelta(days=2)},
    ),
    *({"until": NOW - timedelta(days=2), "tasks": ("task_07",)}, {"states": ("failed",), "origins": ("schedule",)}),
    {"since": NOW - timedelta(days=3), "until": NOW - timedelta(days=2), "states": ("failed",)},
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store of 300 jobs and 1,000 runs, which no test writes to."""
    path = Path(tmp_path_factory.mktemp("lists") / "s.db")
    bulk.fill(path, bulk.Content(now=to_micros(NOW), jobs=300, runs=1000))
    database = Database(f"sqlite:///{path}", prepare=lambda store: schema.upgrade(store, on_create=lambda _: None))
    yield database
    database.close()


def whole(read: Any, database: Database, where: Any, **more: Any) -> list[Any]:
    """Return what a list holds, read page by page."""
    found: list[Any] = []
    with database.read() as tx:
        while page := read(tx, where, after=found[-1][1] if found else None, limit=37, **more):
            found += page
    return found


def in_short_pages(read: Any, database: Database, where: Any) -> list[Any]:
    """Return the same, from pages that end where their walk does."""
    found, after = list[Any](), None
    with database.read() as tx:
        while True:
            page, after = read(tx, where, after=after, limit=37)
            found += page
            if after is None:
                return found


@pytest.mark.parametrize("sort", JOB_SORTS)
def test_a_list_of_jobs_is_the_same_walked_sorted_and_backwards(
    database: Database, monkeypatch: pytest.MonkeyPatch, sort: str
):
    for given in JOBS:
        where = JobFilter(sort=sort, **given)
        sorted_ones = whole(orders.page, database, where)
        with monkeypatch.context() as context:
            context.setattr(parts, "FEW", -1)
            assert whole(orders.page, database, where) == sorted_ones, given
            context.setattr(parts, "WALKED", 9)
            assert in_short_pages(orders.quick_page, database, where) == sorted_ones, given
        with database.read() as tx:
            assert len({job.id for job, _ in sorted_ones}) == len(sorted_ones) == jobs.count(tx, where) > 0, given
            at = sorted_ones[len(sorted_ones) // 2][1]
            before = orders.page(tx, where, after=at, limit=9, backward=True)
        assert before == sorted_ones[: len(sorted_ones) // 2][-9:], given


@pytest.mark.parametrize("sort", ["-id", "-finished_at"])
def test_a_list_of_runs_is_the_same_walked_and_sorted(database: Database, monkeypatch: pytest.MonkeyPatch, sort: str):
    for given in RUNS:
        where = RunFilter(sort=sort, **given)
        sorted_ones = whole(run_pages.page, database, where)
        monkeypatch.setattr(parts, "FEW", -1)
        assert whole(run_pages.page, database, where) == sorted_ones, given
        monkeypatch.setattr(parts, "WALKED", 9)
        assert in_short_pages(run_pages.quick_page, database, where) == sorted_ones, given
        monkeypatch.undo()
        assert len({run.id for run, _ in sorted_ones}) == len(sorted_ones) > 0, given
        key = "finished_at" if sort == "-finished_at" else "id"
        assert [getattr(run, key) for run, _ in sorted_ones] == sorted(
            (getattr(run, key) for run, _ in sorted_ones), reverse=True
        ), given


def test_a_walk_that_finds_nothing_ends_soon_and_tells_where_to_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(parts, "FEW", -1)
    monkeypatch.setattr(parts, "WALKED", 100)
    where = RunFilter(sort="-finished_at", until=NOW - timedelta(days=5))
    with database.read() as tx:
        found, further = run_pages.quick_page(tx, where, after=None, limit=50)
    assert (found, further and further.id) == ([], 901)
