"""Policies over HTTP: pauses with an end, skipped firings, and what a job tells of them."""

from datetime import timedelta

import pytest

from tests.api.conftest import Caller, SettableClock, assert_problem, pointers


def test_a_pause_takes_until_and_reason_and_the_job_tells_both(call: Caller) -> None:
    call.given_job("nightly")
    job = call("POST", "/jobs/nightly/pause", {"until": "2030-01-02T09:00:00+01:00", "reason": "audit"}).get_json()
    assert job["state"] == "paused"
    assert job["paused"] == {"until": "2030-01-02T08:00:00Z", "reason": "audit"}


@pytest.mark.parametrize(
    ("until", "words"),
    [
        ("2030-01-01T12:00:00Z", "future"),  # it is now
        ("2029-01-01T12:00:00Z", "future"),  # it is past
        ("2031-01-01T12:00:00", "offset"),  # nobody knows when
        (5, "offset"),
        ("tomorrow", "offset"),
    ],
)
def test_an_until_that_is_no_time_to_come_is_refused(call: Caller, until: object, words: str) -> None:
    call.given_job("nightly")
    problem = assert_problem(call("POST", "/jobs/nightly/pause", {"until": until}), 422)
    assert pointers(problem) == ["/until"]
    assert words in problem["errors"][0]["detail"]


def test_a_skip_sets_how_many_firings_are_left_out(call: Caller) -> None:
    assert call.given_job("nightly")["skip_count"] == 0
    assert call("POST", "/jobs/nightly/skip", {"count": 3}).get_json()["skip_count"] == 3
    assert call("POST", "/jobs/nightly/skip", {"count": 1}).get_json()["skip_count"] == 1
    again = call("POST", "/jobs/nightly/skip", {"count": 1})
    assert again.headers["ETag"] == '"3"', "what is asked for twice changes nothing the second time"
    assert call("POST", "/jobs/nightly/skip", {"count": 0}).get_json()["skip_count"] == 0


@pytest.mark.parametrize("count", [-1, 1001, "1", 1.5, True, None])
def test_a_count_that_cannot_be_is_refused(call: Caller, count: object) -> None:
    call.given_job("nightly")
    problem = assert_problem(call("POST", "/jobs/nightly/skip", {"count": count}), 422)
    assert pointers(problem) == ["/count"]


def test_a_skip_needs_a_count_and_a_job_that_fires(call: Caller) -> None:
    call.given_job("nightly")
    assert pointers(assert_problem(call("POST", "/jobs/nightly/skip", {}), 422)) == ["/count"]
    assert_problem(call("POST", "/jobs/none/skip", {"count": 1}), 404)


def test_a_change_does_not_end_a_pause(call: Caller, clock: SettableClock) -> None:
    call.given_job("nightly")
    call("POST", "/jobs/nightly/pause", {"until": "2030-01-02T00:00:00Z"})
    job = call("PATCH", "/jobs/nightly", {"trigger": {"minutes": 7}}).get_json()
    assert (job["state"], job["paused"]) == ("paused", {"until": "2030-01-02T00:00:00Z", "reason": None})
    clock.moment += timedelta(days=2)
    assert call("POST", "/jobs/nightly/resume", {}).get_json()["state"] == "active"


@pytest.mark.parametrize(
    ("executor", "words"),
    [
        ("proces", "process"),
        (5, "thread"),
    ],
)
def test_an_executor_that_is_not_there_is_refused(call: Caller, executor: object, words: str) -> None:
    problem = assert_problem(call("POST", "/jobs", {"task": "greet", "executor": executor}), 422)
    assert pointers(problem) == ["/executor"]
    assert words in problem["errors"][0]["detail"]


def test_a_job_says_where_its_runs_execute_and_null_goes_back_to_the_task(call: Caller) -> None:
    assert call.given_job("nightly", executor="process")["executor"] == "process"
    assert call("PATCH", "/jobs/nightly", {"executor": None}).get_json()["executor"] == "thread"
    assert call("PATCH", "/jobs/nightly", {"executor": "process"}).get_json()["executor"] == "process"
    run = call("POST", "/jobs/nightly/run").get_json()
    assert run["executor"] == "process"


def test_a_whole_number_may_be_written_with_a_fraction_of_nothing(call: Caller) -> None:
    trigger = {"type": "calendarinterval", "months": 1.0, "hour": 9.0, "timezone": "UTC"}
    job = call.given_job("a", max_instances=2.0, max_retries=3.0, priority=-4.0, trigger=trigger)
    assert (job["max_instances"], job["max_retries"], job["priority"]) == (2, 3, -4)
    assert (job["trigger"]["months"], job["trigger"]["hour"]) == (1, 9)
    assert call.given_job("b", trigger={"type": "cron", "hour": 9.0, "timezone": "UTC"})["trigger"]["hour"] == 9
    assert call("POST", "/jobs/a/skip", {"count": 2.0}).get_json()["skip_count"] == 2
    assert_problem(call("POST", "/jobs/a/skip", {"count": 2.5}), 422)
    assert_problem(call("PATCH", "/jobs/a", {"priority": 1e308}), 422)
