"""What will run, and why nothing will."""

from typing import Any

import pytest

from scheduler_app.schemas.forecast import ForecastOut, UpcomingOut
from scheduler_app.services.context import Context
from scheduler_app.store.tables import jobs
from tests.api.conftest import Caller, SettableClock, assert_problem, every


def forecast(call: Caller, job_id: str, query: str = "") -> dict[str, Any]:
    response = call("GET", f"/jobs/{job_id}/forecast{query}")
    ForecastOut.model_validate_json(response.text)
    content: dict[str, Any] = response.get_json()
    return content


def upcoming(call: Caller, query: str = "") -> dict[str, Any]:
    response = call("GET", f"/upcoming{query}")
    UpcomingOut.model_validate_json(response.text)
    content: dict[str, Any] = response.get_json()
    return content


def minutes(content: dict[str, Any]) -> list[str]:
    return [time[11:16] for time in content["next_run_times"]]


def set_columns(ctx: Context, job_id: str, **values: Any) -> None:
    ctx.database.write(lambda tx: tx.execute(jobs.update().where(jobs.c.id == job_id).values(**values)))


def test_a_job_is_forecast_from_its_next_time_on(call: Caller) -> None:
    call.given_job("a")
    told = forecast(call, "a", "?limit=3")
    assert (told["job_id"], told["state"], told["why"]) == ("a", "active", None)
    assert minutes(told) == ["12:05", "12:10", "12:15"]
    assert_problem(call("GET", "/jobs/none/forecast"), 404)
    assert_problem(call("GET", "/jobs/a/forecast?limit=0"), 400)


def test_a_forecast_ends_with_its_trigger(call: Caller) -> None:
    call.given_job("a", trigger=every(minutes=5, end_date="2030-01-01T12:12:00Z"))
    assert minutes(forecast(call, "a")) == ["12:05", "12:10"]


def test_a_forecast_says_why_nothing_will_run(call: Caller, ctx: Context) -> None:
    call.given_job("paused")
    call("POST", "/jobs/paused/pause", {"reason": "on fire"})
    call.given_job("broken")
    set_columns(ctx, "broken", state="broken", reason="no such zone")
    call.given_job("once", trigger=None)
    call.given_job("over")
    set_columns(ctx, "over", state="finished", next_run_time=None)

    assert forecast(call, "paused")["why"] == "the job is paused until somebody resumes it (on fire)"
    assert "broken: no such zone" in forecast(call, "broken")["why"]
    assert "one-off" in forecast(call, "once")["why"]
    assert "no firing left" in forecast(call, "over")["why"]
    assert {tuple(minutes(forecast(call, job_id))) for job_id in ("paused", "broken", "once", "over")} == {()}


def test_a_forecast_honours_the_end_of_a_pause_and_what_is_skipped(call: Caller, ctx: Context) -> None:
    call.given_job("a")
    call.given_job("b")
    set_columns(ctx, "a", state="paused", paused_until=1893499860 * 10**6)  # 12:11
    set_columns(ctx, "b", skip_count=2)
    assert minutes(forecast(call, "a", "?limit=2")) == ["12:15", "12:20"]
    assert "paused until 2030-01-01T12:11:00Z" in forecast(call, "a")["why"]
    assert minutes(forecast(call, "b", "?limit=2")) == ["12:15", "12:20"]
    assert forecast(call, "b")["why"] == "the next 2 firings are skipped"
    told = upcoming(call, "?within=900")
    assert [(item["job_id"], minutes(item)) for item in told["items"]] == [("a", ["12:15"]), ("b", ["12:15"])]


def test_what_is_upcoming_is_told_job_by_job_the_first_one_first(call: Caller) -> None:
    call.given_job("a", trigger=every(minutes=4))
    call.given_job("b", trigger=every(minutes=3))
    call.given_job("c", trigger=every(hours=1))

    told = upcoming(call)

    assert [(item["job_id"], minutes(item)) for item in told["items"]] == [
        ("b", ["12:03", "12:06", "12:09"]),
        ("a", ["12:04", "12:08"]),
    ]
    assert (told["until"], told["complete"], told["why"]) == ("2030-01-01T12:10:00Z", True, None)
    few = upcoming(call, "?within=600&limit=3")
    assert ([minutes(item) for item in few["items"]], few["complete"]) == ([["12:03", "12:06"], ["12:04"]], False)


def test_what_is_overdue_is_upcoming(call: Caller, clock: SettableClock) -> None:
    call.given_job("a")
    clock.advance(400)
    assert minutes(upcoming(call, "?within=1")["items"][0]) == ["12:05"]


def test_it_is_said_why_nothing_is_upcoming(call: Caller) -> None:
    assert "no active job" in upcoming(call)["why"]
    call.given_job("a", trigger=every(hours=1))
    assert "the next job fires at 2030-01-01T13:00:00Z" in upcoming(call)["why"]
    call("POST", "/scheduler/pause")
    for told in (upcoming(call, "?within=7200"), forecast(call, "a")):
        assert "whole scheduler is paused" in told["why"]
        assert not told.get("items") and not told.get("next_run_times")
    for bad in ("within=0", "within=99999999999", "within=x", "limit=1001"):
        assert_problem(call("GET", f"/upcoming?{bad}"), 400, "bad_query")


@pytest.mark.parametrize(
    ("until", "then"),
    [
        ("12:04", ["12:05", "12:10"]),
        ("12:05", ["12:05", "12:10"]),  # the firing at the very end of a pause runs
        ("12:07", ["12:10", "12:15"]),
        ("12:10", ["12:10", "12:15"]),
    ],
)
def test_a_job_that_is_paused_until_a_time_runs_from_that_time_on(call: Caller, until: str, then: list[str]) -> None:
    call.given_job("a")
    call("POST", "/jobs/a/pause", {"until": f"2030-01-01T{until}:00Z"})
    assert minutes(forecast(call, "a", "?limit=2")) == then
    (item,) = upcoming(call, "?within=960")["items"]
    assert minutes(item)[:2] == then
