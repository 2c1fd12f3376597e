"""Looking at a trigger over HTTP."""

import pytest

from scheduler_app.schemas.trigger import PreviewOut
from tests.api.conftest import Caller, assert_problem, every, pointers


def test_the_next_times_of_a_trigger_are_told(call: Caller) -> None:
    content = {"trigger": {"type": "cron", "expression": "0 9 * * 1-5", "timezone": "Europe/Berlin"}, "count": 2}

    preview = call("POST", "/triggers/preview", content).get_json()

    PreviewOut.model_validate(preview)
    assert preview["next_run_times"] == ["2030-01-02T08:00:00Z", "2030-01-03T08:00:00Z"]
    assert preview["warnings"] == []


def test_ten_times_are_told_unless_another_count_is_asked(call: Caller) -> None:
    assert len(call("POST", "/triggers/preview", {"trigger": every(hours=1)}).get_json()["next_run_times"]) == 10
    many = call("POST", "/triggers/preview", {"trigger": every(seconds=1), "count": 1000}).get_json()
    assert len(many["next_run_times"]) == 1000


def test_times_are_strictly_after_the_given_one(call: Caller) -> None:
    trigger = every(hours=1, start_date="2030-05-01T00:00:00Z")
    content = {"trigger": trigger, "after": "2030-06-01T02:00:00+02:00", "count": 1}
    assert call("POST", "/triggers/preview", content).get_json()["next_run_times"] == ["2030-06-01T01:00:00Z"]


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({}, "/trigger"),
        ({"trigger": {}}, "/trigger/type"),
        ({"trigger": {"type": "cron", "expression": "61 * * * *"}}, "/trigger/expression"),
        ({"trigger": {"type": "interval", "hours": 1, "timezone": "Mars/Base"}}, "/trigger/timezone"),
        ({"trigger": every(hours=1), "count": 0}, "/count"),
        ({"trigger": every(hours=1), "count": 1001}, "/count"),
        ({"trigger": every(hours=1), "count": "5"}, "/count"),
        ({"trigger": every(hours=1), "after": "tomorrow"}, "/after"),
        ({"trigger": every(hours=1), "after": "2030-01-01T00:00:00"}, "/after"),
        ({"trigger": every(hours=1), "after": "2030-02-30T00:00:00Z"}, "/after"),
        ({"trigger": every(hours=1), "after": "0001-01-01T00:00:00+23:00"}, "/after"),
        ({"trigger": every(hours=1), "after": "9999-12-31T23:59:59Z"}, "/after"),
        ({"trigger": every(hours=1), "after": 1893456000}, "/after"),
        ({"trigger": every(hours=1), "befor": "x"}, "/befor"),
    ],
)
def test_a_wrong_preview_is_refused(call: Caller, content: dict[str, object], pointer: str) -> None:
    assert pointers(assert_problem(call("POST", "/triggers/preview", content), 422)) == [pointer]
