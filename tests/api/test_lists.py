"""Filters, orders and cursors of the lists."""

from typing import Any

import pytest

from scheduler_app.services.context import Context
from scheduler_app.store.tables import runs
from tests.api.conftest import Caller, SettableClock, assert_problem, every, pointers


@pytest.fixture
def listed(call: Caller, clock: SettableClock) -> Caller:
    """Five jobs: the later the letter, the sooner it fires; `e` is paused, `a` was changed last."""
    for n, job_id in enumerate("abcd"):
        call.given_job(job_id, name=f"{'Report' if n % 2 else 'Mail'} {job_id}", trigger=every(minutes=50 - 10 * n))
        clock.advance(1)
    call.given_job("e", trigger={"type": "cron", "expression": "0 3 * * *"})
    call("POST", "/jobs/e/pause")
    clock.advance(1)
    call("PATCH", "/jobs/a", {"priority": 5})
    return call


def ids(call: Caller, path: str, key: str = "id") -> list[Any]:
    """Every id of a list, read two at a time."""
    separator = "&" if "?" in path else "?"
    response = call("GET", f"{path}{separator}limit=2")
    found = [item[key] for item in response.get_json()["items"]]
    while "Link" in response.headers:
        link = response.headers["Link"]
        response = call.client.get(link[1 : link.index(">")], headers=call.headers)
        found += [item[key] for item in response.get_json()["items"]]
    return found


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("id", "abcde"),
        ("-id", "edcba"),
        ("next_run_time", "dcbae"),
        ("-next_run_time", "abcde"),
        ("updated_at", "bcdea"),
        ("-updated_at", "aedcb"),
    ],
)
def test_jobs_are_listed_in_the_order_that_is_asked_for(listed: Caller, sort: str, order: str) -> None:
    assert "".join(ids(listed, f"/jobs?sort={sort}")) == order


def test_of_equal_values_the_job_that_was_added_first_is_the_smaller(call: Caller) -> None:
    for job_id in "cabed":
        call.given_job(job_id)
    assert "".join(ids(call, "/jobs?sort=updated_at")) == "cabed"
    assert "".join(ids(call, "/jobs?sort=-next_run_time")) == "debac"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=Report", "bd"),
        ("q=e", "e"),
        ("q=Mail%20c", "c"),
        ("q=report", ""),
        ("q=%25", ""),
        ("trigger=cron", "e"),
        ("trigger=interval,cron", "abcde"),
        ("trigger=date", ""),
        ("next_run_before=2030-01-01T12:40:00Z", "cd"),
        ("next_run_before=2031-01-01T00:00:00%2B01:00", "abcd"),
        ("state=paused,active&q=Mail&sort=-id", "ca"),
    ],
)
def test_jobs_are_found_by(listed: Caller, query: str, found: str) -> None:
    assert "".join(ids(listed, f"/jobs?{query}")) == found


def test_runs_are_listed_by_their_end_those_that_have_none_last(call: Caller, ctx: Context) -> None:
    call.given_job("a", max_instances=9)
    for _ in range(5):
        call.given_run("a")
    for run_id, at in ((1, 30), (2, 10), (3, 20), (5, 20)):
        ended = runs.update().where(runs.c.id == run_id).values(state="succeeded", finished_at=at)
        ctx.database.write(lambda tx, ended=ended: tx.execute(ended))

    assert ids(call, "/runs?sort=-finished_at") == [1, 5, 3, 2, 4]
    assert ids(call, "/jobs/a/runs?sort=-finished_at&state=succeeded") == [1, 5, 3, 2]
    assert ids(call, "/runs") == ids(call, "/runs?sort=-id") == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "other",
    ["sort=-id&limit=2", "sort=updated_at&limit=2", "limit=2&state=paused", "limit=2&q=a", "limit=2&tag=x"],
)
def test_a_cursor_belongs_to_its_filters_and_its_sort(listed: Caller, other: str) -> None:
    cursor = listed("GET", "/jobs?limit=2").get_json()["next_cursor"]
    assert listed("GET", f"/jobs?limit=3&sort=id&cursor={cursor}").status_code == 200
    problem = assert_problem(listed("GET", f"/jobs?{other}&cursor={cursor}"), 400, "bad_query")
    assert pointers(problem) == ["/cursor"]
    assert_problem(listed("GET", f"/runs?cursor={cursor}"), 400, "bad_query")


@pytest.mark.parametrize(
    ("path", "pointer", "words"),
    [
        ("/jobs?sort=next_runtime", "/sort", "did you mean 'next_run_time'?"),
        ("/jobs?sort=", "/sort", "or '-last_failure', got ''"),
        ("/jobs?state=active,pausd", "/state", "did you mean 'paused'?"),
        ("/jobs?trigger=corn", "/trigger", "did you mean 'cron'?"),
        ("/jobs?next_run_before=soon", "/next_run_before", "2030-01-31T09:00:00Z"),
        ("/jobs?q=", "/q", "at least 1"),
        ("/jobs?q=%0a", "/q", "control characters"),
        ("/runs?sort=finished_at", "/sort", "did you mean '-finished_at'?"),
        ("/runs?origin=manul", "/origin", "did you mean 'manual'?"),
        ("/runs?page=2", "/page", "allowed are"),
    ],
)
def test_a_bad_query_teaches(call: Caller, path: str, pointer: str, words: str) -> None:
    problem = assert_problem(call("GET", path), 400, "bad_query")
    assert pointers(problem) == [pointer]
    assert words in problem["detail"]
