"""Every type of trigger over HTTP: previewed, admitted, kept, changed; what is refused names its place."""

from typing import Any

import pytest

from tests.api.conftest import Caller, assert_problem, every, pointers

TYPES: list[tuple[dict[str, Any], str]] = [
    ({"type": "calendarinterval", "months": 1, "start_date": "2030-01-31", "hour": 9}, "2030-01-31T09:00:00Z"),
    ({"type": "cron", "hour": 9, "day_of_week": "mon-fri"}, "2030-01-02T09:00:00Z"),
    ({"type": "cron", "day": "last fri", "timezone": "Europe/Berlin"}, "2030-01-24T23:00:00Z"),
    ({"type": "or", "triggers": [{"type": "cron", "hour": 9}, {"type": "cron", "hour": 17}]}, "2030-01-01T17:00:00Z"),
    (
        {"type": "and", "triggers": [{"type": "cron", "day": "1-7"}, {"type": "cron", "day_of_week": "fri"}]},
        "2030-01-04T00:00:00Z",
    ),
    ({"type": "interval", "days": 1, "jitter": 30}, "2030-01-02T12:00:00Z"),
]


@pytest.mark.parametrize(("trigger", "first"), TYPES)
def test_each_type_is_previewed_and_admitted_alike(call: Caller, trigger: dict[str, Any], first: str) -> None:
    preview = call("POST", "/triggers/preview", {"trigger": trigger, "count": 1}).get_json()
    assert preview["next_run_times"] == [first]
    assert preview["description"]
    job = call(
        "POST", "/jobs", {"id": "job", "task": "greet", "kwargs": {"name": "Ada"}, "trigger": trigger}
    ).get_json()
    assert job["next_run_time"] == first
    assert job["trigger"]["type"] == trigger["type"]
    again = call("PATCH", "/jobs/job", {"trigger": job["trigger"]}).get_json()
    assert (again["trigger"], again["next_run_time"]) == (job["trigger"], first)


NEVER = [{"type": "cron", "hour": 9}, {"type": "cron", "hour": 10}]


@pytest.mark.parametrize(
    ("trigger", "pointer"),
    [
        ({"type": "or", "triggers": [{"type": "cron", "hour": 9}, {"type": "cron", "hour": 25}]}, "/triggers/1/hour"),
        (
            {"type": "or", "triggers": [{"type": "and", "triggers": [{"type": "interval", "minute": 5}]}]},
            "/triggers/0/triggers/0/minute",
        ),
        ({"type": "or", "triggers": []}, "/triggers"),
        ({"type": "and", "triggers": NEVER}, "/triggers"),
        ({"type": "cron", "day": 31, "month": 2}, "/day"),
        ({"type": "cron", "hour": 9, "jitter": "5"}, "/jitter"),
        ({"type": "date", "run_date": "2030-05-01T00:00:00Z", "jitter": 5}, "/jitter"),
        ({"type": "calendarinterval"}, "/days"),
    ],
)
def test_a_refusal_points_into_the_trigger(call: Caller, trigger: dict[str, Any], pointer: str) -> None:
    for problem in (
        assert_problem(call("POST", "/triggers/preview", {"trigger": trigger}), 422),
        assert_problem(call("POST", "/jobs", {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": trigger}), 422),
    ):
        assert pointers(problem) == [f"/trigger{pointer}"]


@pytest.mark.parametrize(
    ("trigger", "pointer"),
    [
        ({"type": "cron", "hour": 9, "year": 2029}, "/trigger/year"),
        ({"type": "or", "triggers": [{"type": "date", "run_date": "2029-01-01T00:00:00Z"}]}, "/trigger/triggers"),
    ],
)
def test_a_job_that_can_not_fire_any_more_is_refused(call: Caller, trigger: dict[str, Any], pointer: str) -> None:
    assert pointers(
        assert_problem(call("POST", "/jobs", {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": trigger}), 422)
    ) == [pointer]


def test_a_field_cannot_be_patched_into_a_trigger_that_has_an_expression(call: Caller) -> None:
    trigger = {"type": "cron", "expression": "0 9 * * *"}
    call("POST", "/jobs", {"id": "job", "task": "greet", "kwargs": {"name": "Ada"}, "trigger": trigger})
    assert pointers(assert_problem(call("PATCH", "/jobs/job", {"trigger": {"hour": 10}}), 422)) == ["/trigger/hour"]
    changed = call("PATCH", "/jobs/job", {"trigger": {"hour": 10, "expression": None}}).get_json()
    assert changed["next_run_time"] == "2030-01-02T10:00:00Z"


def test_warnings_tell_what_is_probably_a_mistake(call: Caller) -> None:
    trigger = {"type": "cron", "second": "*", "start_date": "2029-01-01T00:00:00Z", "jitter": 5}
    warnings = " ".join(call("POST", "/triggers/preview", {"trigger": trigger}).get_json()["warnings"])
    assert "is past" in warnings
    assert "every second" in warnings
    assert "'jitter' of 5 seconds" in warnings


def test_a_preview_that_looks_ahead_does_not_take_a_start_to_come_for_past(call: Caller) -> None:
    content = {"trigger": every(hours=1, start_date="2030-05-01T00:00:00Z"), "after": "2031-01-01T00:00:00Z"}
    assert call("POST", "/triggers/preview", content).get_json()["warnings"] == []


def test_a_preview_tells_the_times_it_found_when_the_next_is_out_of_reach(call: Caller) -> None:
    once = {"type": "cron", "year": 2030, "month": 3, "day": 1, "timezone": "UTC"}
    trigger = {
        "type": "and",
        "triggers": [{"type": "or", "triggers": [once, *NEVER[:1]]}, {"type": "or", "triggers": [once, *NEVER[1:]]}],
    }
    preview = call("POST", "/triggers/preview", {"trigger": trigger, "count": 3}).get_json()
    assert preview["next_run_times"] == ["2030-03-01T00:00:00Z"]
    assert "Only the first 1 times are told." in preview["warnings"][-1]


def test_a_preview_that_takes_a_second_is_cut_short(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler_app.services.triggers.SECONDS", -1.0)
    preview = call("POST", "/triggers/preview", {"trigger": every(hours=1)}).get_json()
    assert preview["next_run_times"] == []
    assert "the trigger is slow to compute" in preview["warnings"][-1]
