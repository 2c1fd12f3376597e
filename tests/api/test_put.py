"""Putting a job: adding it, or making it what it is wanted to be."""

from typing import Any

import pytest

from tests.api.conftest import Caller, SettableClock, assert_problem, every, pointers

WANTED: dict[str, Any] = {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": every(minutes=5)}


def test_a_job_is_added_then_replaced(call: Caller) -> None:
    added = call("PUT", "/jobs/a", WANTED | {"timeout": 5, "tags": ["x"]})
    assert (added.status_code, added.headers["Location"], added.headers["ETag"]) == (201, "/api/v1/jobs/a", '"1"')
    assert added.get_json()["id"] == "a"

    replaced = call("PUT", "/jobs/a", WANTED | {"id": "a", "kwargs": {"name": "Bob"}, "name": "new"})

    assert (replaced.status_code, replaced.headers["ETag"]) == (200, '"2"')
    job = replaced.get_json()
    assert (job["name"], job["kwargs"], job["timeout"], job["tags"]) == ("new", {"name": "Bob"}, None, [])
    assert call("GET", "/jobs/a").get_json() == job


def test_putting_the_same_again_changes_nothing_and_moves_no_firing(call: Caller, clock: SettableClock) -> None:
    first = call("PUT", "/jobs/a", WANTED).get_json()
    clock.advance(100)
    again = call("PUT", "/jobs/a", WANTED)
    assert (again.status_code, again.get_json()) == (200, first)

    changed = call("PUT", "/jobs/a", WANTED | {"max_retries": 9}).get_json()
    assert (changed["version"], changed["next_run_time"]) == (2, first["next_run_time"])
    moved = call("PUT", "/jobs/a", WANTED | {"trigger": every(minutes=7)}).get_json()
    assert moved["next_run_time"] == "2030-01-01T12:08:40Z"


def test_a_paused_job_stays_paused(call: Caller) -> None:
    call("PUT", "/jobs/a", WANTED)
    call("POST", "/jobs/a/pause", {"reason": "why"})
    job = call("PUT", "/jobs/a", WANTED | {"trigger": every(hours=1)}).get_json()
    assert (job["state"], job["paused"]) == ("paused", {"until": None, "reason": "why"})


def test_what_is_due_by_the_old_trigger_fires_before_it_is_replaced(call: Caller, clock: SettableClock) -> None:
    call("PUT", "/jobs/a", WANTED)
    clock.advance(301)
    call("PUT", "/jobs/a", WANTED | {"trigger": every(hours=1)})
    assert [run["scheduled_at"] for run in call("GET", "/jobs/a/runs").get_json()["items"]] == ["2030-01-01T12:05:00Z"]


def test_a_one_off_that_is_put_twice_runs_once(call: Caller) -> None:
    one_off = {"task": "greet", "kwargs": {"name": "Ada"}}
    assert call("PUT", "/jobs/a", one_off).status_code == 201
    assert call("PUT", "/jobs/a", one_off).status_code == 200
    assert len(call("GET", "/jobs/a/runs").get_json()["items"]) == 1
    problem = assert_problem(call("PUT", "/jobs/a", WANTED | {"trigger": {"type": "nothing"}}), 422)
    assert pointers(problem) == ["/trigger/type"]


def test_a_date_that_has_passed_may_be_put_again(call: Caller, clock: SettableClock) -> None:
    dated = WANTED | {"trigger": {"type": "date", "run_date": "2030-01-01T12:00:10Z"}}
    call("PUT", "/jobs/a", dated)
    clock.advance(60)
    assert call("PUT", "/jobs/a", dated).status_code == 200
    assert call("GET", "/jobs/a").get_json()["version"] == 1


def test_a_trigger_is_not_taken_away_and_an_id_not_changed(call: Caller) -> None:
    call("PUT", "/jobs/a", WANTED)
    assert pointers(assert_problem(call("PUT", "/jobs/a", WANTED | {"trigger": None}), 422)) == ["/trigger"]
    assert pointers(assert_problem(call("PUT", "/jobs/a", WANTED | {"id": "b"}), 422)) == ["/id"]
    assert_problem(call("PUT", "/jobs/no%20id", WANTED), 404)


def test_conditions_of_a_put(call: Caller) -> None:
    for absent in ('"1"', "*"):
        assert_problem(call("PUT", "/jobs/a", WANTED, headers={"If-Match": absent}), 412, "version_mismatch")
    assert call("PUT", "/jobs/a", WANTED, headers={"If-None-Match": "*"}).status_code == 201
    assert_problem(call("PUT", "/jobs/a", WANTED, headers={"If-None-Match": "*"}), 412, "version_mismatch")
    for stale in ('"2"', 'W/"1"', '"x"'):
        assert_problem(call("PUT", "/jobs/a", WANTED, headers={"If-Match": stale}), 412, "version_mismatch")
    assert call("PUT", "/jobs/a", WANTED | {"name": "n"}, headers={"If-Match": '"1"'}).headers["ETag"] == '"2"'
    assert call("PUT", "/jobs/a", WANTED, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": "3"},
        {"If-Match": ""},
        {"If-None-Match": '"1"'},
        {"If-None-Match": "x"},
        {"If-None-Match": "*", "If-Match": "*"},
    ],
)
def test_a_condition_that_cannot_be_read_is_refused(call: Caller, headers: dict[str, str]) -> None:
    problem = assert_problem(call("PUT", "/jobs/a", WANTED, headers=headers), 400, "bad_header")
    assert pointers(problem) == ["/" + next(iter(headers))]
    assert_problem(call("GET", "/jobs/a"), 404)
