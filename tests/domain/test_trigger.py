"""Triggers: what is accepted, how it is kept, when it first fires, and that all else is refused with a sentence."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.base import BaseTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_app.domain.schedule import STEP_BUDGET, budgeted
from scheduler_app.domain.trigger import Trigger, admit_trigger, parse_trigger
from scheduler_app.errors import InvalidTrigger, TriggerBudgetExceeded

NOW = datetime(2026, 11, 22, 12, 0, 0, 123, tzinfo=UTC)


def trigger_of(**spec: object) -> Trigger:
    return parse_trigger(spec, now=NOW)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("spec", "normal"),
    [
        # a date in any spelling of a time
        ({"type": "date", "run_date": "2027-01-01t09:00z"}, {"run_date": "2027-01-01T09:00:00Z", "timezone": "UTC"}),
        ({"type": "date", "run_date": "2027-01-01T09:00:00.5+01:00"}, {"run_date": "2027-01-01T08:00:00.500000Z"}),
        ({"type": "date", "run_date": "2027-01-01 09:00:00.123456789Z"}, {"run_date": "2027-01-01T09:00:00.123456Z"}),
        # with a zone it is kept in that zone; a naive time is one of that zone
        (
            {"type": "date", "run_date": "2027-07-01T09:00", "timezone": "Europe/Berlin"},
            {"run_date": "2027-07-01T09:00:00+02:00"},
        ),
        (
            {"type": "date", "run_date": "2027-07-01T09:00Z", "timezone": "Europe/Berlin"},
            {"run_date": "2027-07-01T11:00:00+02:00"},
        ),
        ({"type": "date", "run_date": "2027-07-01", "timezone": "UTC"}, {"run_date": "2027-07-01T00:00:00Z"}),
        # the same wall clock twice: the first time, or what the offset says
        (
            {"type": "date", "run_date": "2026-10-25T02:30", "timezone": "Europe/Berlin"},
            {"run_date": "2026-10-25T02:30:00+02:00"},
        ),
        (
            {"type": "date", "run_date": "2026-10-25T02:30+01:00", "timezone": "Europe/Berlin"},
            {"run_date": "2026-10-25T02:30:00+01:00"},
        ),
        # a Python caller's datetime
        ({"type": "date", "run_date": at("2027-01-01T09:00+05:30")}, {"run_date": "2027-01-01T03:30:00Z"}),
        # an offset with seconds has no RFC 3339 spelling
        (
            {"type": "date", "run_date": "1960-01-01T00:00Z", "timezone": "Africa/Monrovia"},
            {"run_date": "1960-01-01T00:00:00Z"},
        ),
        # an interval starts one interval from now, and that is kept
        (
            {"type": "interval", "minutes": 5},
            {"minutes": 5, "start_date": "2026-11-22T12:05:00.000123Z", "timezone": "UTC"},
        ),
        (
            {"type": "interval", "minutes": 0, "seconds": 1.5},
            {"seconds": 1.5, "start_date": "2026-11-22T12:00:01.500123Z"},
        ),
        (
            {"type": "interval", "days": 1, "timezone": "Asia/Kolkata"},
            {"start_date": "2026-11-23T17:30:00.000123+05:30"},
        ),
        ({"type": "interval", "days": 1, "start_date": None}, {"start_date": "2026-11-23T12:00:00.000123Z"}),
        # cron
        ({"type": "cron", "expression": " 0  9 * * 1-5"}, {"expression": "0 9 * * 1-5", "timezone": "UTC"}),
        ({"type": "cron", "expression": "@DAILY", "seconds": False}, {"expression": "@daily", "timezone": "UTC"}),
        (
            {"type": "cron", "expression": "* * * * * *", "seconds": True},
            {"expression": "* * * * * *", "seconds": True},
        ),
        # an end alone gets a begin
        (
            {"type": "cron", "expression": "@daily", "end_date": "2027-01-01T00:00Z"},
            {"start_date": "2026-11-22T12:00:00.000123Z"},
        ),
    ],
)
def test_a_trigger_is_kept_in_normal_form(spec: dict[str, object], normal: dict[str, object]) -> None:
    kept = parse_trigger(spec, now=NOW).spec
    assert normal.items() <= kept.items()
    assert kept["type"] == spec["type"]


@pytest.mark.parametrize(
    ("spec", "first", "second"),
    [
        # one interval after now
        ({"minutes": 5}, "2026-11-22T12:05:00.000123Z", "2026-11-22T12:10:00.000123Z"),
        # a start to come is the first firing
        ({"minutes": 5, "start_date": "2026-12-01T00:00Z"}, "2026-12-01T00:00Z", "2026-12-01T00:05Z"),
        # a start of now as well
        (
            {"minutes": 5, "start_date": "2026-11-22T12:00:00.000123Z"},
            "2026-11-22T12:00:00.000123Z",
            "2026-11-22T12:05:00.000123Z",
        ),
        # a start that is past gives the grid
        ({"hours": 7, "start_date": "2026-11-22T00:00Z"}, "2026-11-22T14:00Z", "2026-11-22T21:00Z"),
        # elapsed time, also over a change of the clock
        (
            {"days": 1, "start_date": "2027-03-27T12:00", "timezone": "Europe/Berlin"},
            "2027-03-27T11:00Z",
            "2027-03-28T11:00Z",
        ),
        # thirds of a second do not drift
        ({"seconds": 1 / 3, "start_date": "2027-01-01T00:00Z"}, "2027-01-01T00:00Z", "2027-01-01T00:00:00.333333Z"),
        (
            {"weeks": 1, "days": 1, "hours": 1, "minutes": 1, "seconds": 1},
            "2026-11-30T13:01:01.000123Z",
            "2026-12-08T14:02:02.000123Z",
        ),
    ],
)
def test_an_interval_fires_on_its_grid(spec: dict[str, object], first: str, second: str) -> None:
    trigger = trigger_of(type="interval", **spec)
    found = trigger.first(NOW)
    assert found == at(first)
    assert trigger.after(found) == at(second)


def test_an_interval_ends_at_its_end_included() -> None:
    trigger = trigger_of(type="interval", hours=1, start_date="2026-12-01T00:00Z", end_date="2026-12-01T02:00Z")
    assert trigger.after(at("2026-12-01T01:00Z")) == at("2026-12-01T02:00Z")
    assert trigger.after(at("2026-12-01T02:00Z")) is None
    assert trigger.at_or_before(at("2030-01-01T00:00Z")) == at("2026-12-01T02:00Z")


def test_cron_keeps_to_its_window_both_ends_included() -> None:
    trigger = trigger_of(
        type="cron", expression="0 * * * *", start_date="2026-12-01T00:00Z", end_date="2026-12-01T02:00Z"
    )
    assert trigger.first(NOW) == at("2026-12-01T00:00Z")
    assert trigger.after(at("2026-12-01T01:00Z")) == at("2026-12-01T02:00Z")
    assert trigger.after(at("2026-12-01T02:00Z")) is None
    assert trigger.at_or_before(at("2026-11-30T23:00Z")) is None
    assert trigger.at_or_before(at("2030-01-01T00:00Z")) == at("2026-12-01T02:00Z")


def test_a_date_that_is_past_is_due_and_says_so() -> None:
    trigger = trigger_of(type="date", run_date="2020-01-01T00:00Z")
    assert trigger.first(NOW) == at("2020-01-01T00:00Z")
    assert trigger.after(NOW) is None
    assert "past" in trigger.warnings()[0]


ROUND_TRIPS: list[dict[str, object]] = [
    {"type": "date", "run_date": "2026-10-25T02:30+01:00", "timezone": "Europe/Berlin"},
    {"type": "date", "run_date": "1960-01-01T00:00:00.000001Z", "timezone": "Africa/Monrovia"},
    {"type": "interval", "weeks": 1, "seconds": 0.1},
    {"type": "interval", "minutes": 5, "end_date": "2026-11-22T12:05:01Z", "timezone": "Asia/Tehran"},
    {"type": "cron", "expression": "@daily", "timezone": "Europe/Dublin"},
    {"type": "cron", "expression": "*/5 * * * * *", "seconds": True, "end_date": "2026-11-22T12:05:01Z"},
]


@pytest.mark.parametrize("spec", ROUND_TRIPS)
@pytest.mark.parametrize("later", [-9999, 0, 1, 40_000])
def test_a_kept_trigger_reads_back_equal_at_any_time(spec: dict[str, object], later: int) -> None:
    trigger = parse_trigger(spec, now=NOW)
    again = parse_trigger(json.loads(json.dumps(trigger.spec)), now=NOW + timedelta(days=later))
    assert again == trigger
    assert hash(again) == hash(trigger)
    assert again.spec == trigger.spec
    assert again.after(NOW) == trigger.after(NOW)


def test_the_spec_of_a_trigger_cannot_be_changed_from_outside() -> None:
    trigger = trigger_of(type="interval", minutes=5)
    trigger.spec["minutes"] = 6
    assert trigger.spec["minutes"] == 5


def test_a_window_that_is_past_reads_back_but_is_not_admitted() -> None:
    spec = {"type": "cron", "expression": "@daily", "start_date": "2020-01-01T00:00Z", "end_date": "2020-02-01T00:00Z"}
    assert parse_trigger(spec, now=NOW).first(NOW) is None
    with pytest.raises(InvalidTrigger) as refusal:
        admit_trigger(spec, now=NOW)
    assert refusal.value.faults[0].pointer == "/end_date"
    assert admit_trigger({"type": "date", "run_date": "2020-01-01T00:00Z"}, now=NOW).first(NOW)


def test_a_search_ends_when_its_budget_does() -> None:
    assert len(list(budgeted(iter(range(STEP_BUDGET))))) == STEP_BUDGET
    with pytest.raises(TriggerBudgetExceeded):
        list(budgeted(iter(range(STEP_BUDGET + 1))))


@pytest.mark.parametrize("spec", ROUND_TRIPS)
def test_it_is_an_apscheduler_trigger(spec: dict[str, object]) -> None:
    trigger = parse_trigger(spec, now=NOW)
    assert isinstance(trigger.aps, BaseTrigger)
    first = trigger.aps.get_next_fire_time(None, NOW)
    assert first == trigger.first(NOW)
    assert trigger.aps.get_next_fire_time(first, NOW) == trigger.after(first)
    assert str(trigger.aps) == trigger.describe()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"type": "interval", "minutes": 5}, "Every 5 minutes, from 2026-11-22T12:05:00.000123Z"),
        ({"type": "interval", "hours": 1, "start_date": "2027-01-01T00:00Z"}, "Every hour, from 2027-01-01T00:00:00Z"),
        ({"type": "interval", "seconds": 90.5, "start_date": "2027-01-01T00:00Z"}, "Every 1 minute 30.5 seconds, from"),
        ({"type": "interval", "weeks": 1, "start_date": "2027-01-01T00:00Z"}, "Every 7 days, from"),
        ({"type": "date", "run_date": "2027-01-01T00:00Z"}, "Once, at 2027-01-01T00:00:00Z (UTC)"),
    ],
)
def test_it_is_told_in_words(spec: dict[str, object], words: str) -> None:
    assert parse_trigger(spec, now=NOW).describe().startswith(words)


def test_an_interval_of_a_second_or_less_warns() -> None:
    assert trigger_of(type="interval", seconds=1).warnings() == ["It fires every second."]
    assert trigger_of(type="interval", seconds=0.1).warnings() == ["It fires 10 times a second."]
    assert trigger_of(type="interval", seconds=2).warnings() == []


@settings(max_examples=300, deadline=None)
@given(
    st.floats(0.001, 10**7) | st.integers(1, 10**7),
    st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),
    st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),
)
def test_an_interval_never_drifts(seconds: float, start: datetime, moment: datetime) -> None:
    trigger = trigger_of(type="interval", seconds=seconds, start_date=start)
    step = timedelta(microseconds=round(seconds * 1_000_000))
    following = trigger.after(moment)
    assert following is not None and following > moment
    assert abs((following - start) % step) == timedelta(0)
    assert following == start or following - step <= moment
    assert trigger.at_or_before(following) == following


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"type": "date", "run_date": "2027-03-28T02:30", "timezone": "Europe/Berlin"},
            "2027-03-28T02:30 does not exist in Europe/Berlin; it fires at 2027-03-28T03:30:00+02:00.",
        ),
        (
            {"type": "date", "run_date": "2027-10-31T02:30", "timezone": "Europe/Berlin"},
            "2027-10-31T02:30 comes twice in Europe/Berlin; it fires at 2027-10-31T02:30:00+02:00.",
        ),
        ({"type": "interval", "days": 7, "timezone": "Europe/Berlin"}, "use calendarinterval to keep it."),
        (
            {"type": "interval", "hours": 1, "start_date": "2026-01-01T00:00Z"},
            "'start_date' 2026-01-01T00:00:00Z is past; it fires from now on, not for the time since then.",
        ),
        ({"type": "interval", "weeks": 60}, "It fires for the first time in more than a year"),
        ({"type": "interval", "minutes": 1, "jitter": 90}, "'jitter' of 90 seconds is as long as the time between"),
        ({"type": "interval", "minutes": 5, "end_date": "2026-11-22T12:06:00Z"}, "It fires only once, at 2026-11-22"),
    ],
)
def test_it_warns_of_what_is_probably_a_mistake(spec: dict[str, object], said: str) -> None:
    assert any(said in text for text in parse_trigger(spec, now=NOW).warnings())


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "date", "run_date": "2027-03-28T03:30", "timezone": "Europe/Berlin"},
        {"type": "interval", "days": 7, "timezone": "Asia/Tokyo"},
        {"type": "interval", "hours": 1, "timezone": "Europe/Berlin", "jitter": 60},
    ],
)
def test_it_does_not_warn_without_need(spec: dict[str, object]) -> None:
    assert parse_trigger(spec, now=NOW).warnings() == []
