"""Triggers: what cannot be is refused with a sentence, and nothing but InvalidTrigger comes of any input."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.errors import InvalidTrigger

NOW = datetime(2026, 11, 22, 12, 0, 0, 123, tzinfo=UTC)


def trigger_of(**spec: object) -> Trigger:
    return parse_trigger(spec, now=NOW)


REFUSED: list[tuple[Any, str, str]] = [
    # no object, no type
    (None, "", "must be an object"),
    ([], "", "must be an object"),
    ("interval", "", "must be an object"),
    ({}, "/type", "'type' must be one of after, and, calendarinterval, cron, date, interval, or, got null."),
    ({"type": "intervall"}, "/type", "did you mean 'interval'?"),
    ({"type": ["date"]}, "/type", "got a list."),
    ({"type": "date", 5: 5}, "", "keys of a trigger must be strings"),
    # unknown fields, with the nearest
    ({"type": "interval", "minute": 5}, "/minute", "did you mean 'minutes'?"),
    ({"type": "date", "run_date": "2027-01-01T00:00Z", "a/b~": 1}, "/a~1b~0", "is no field of this trigger"),
    ({"type": "cron", "expression": "@daily", "\ud800\n": 1}, "/\\ud800\\n", "is no field of this trigger"),
    # numbers
    ({"type": "interval"}, "/seconds", "must add up to at least 0.001 seconds"),
    ({"type": "interval", "minutes": 0}, "/minutes", "must add up to"),
    ({"type": "interval", "seconds": -5}, "/seconds", "must be a number from 0, got -5."),
    ({"type": "interval", "hours": 1, "seconds": -5}, "/seconds", "must be a number from 0"),
    ({"type": "interval", "seconds": 0.0009}, "/seconds", "got 0.0009 seconds"),
    ({"type": "interval", "seconds": True}, "/seconds", "must be a number from 0, got true."),
    ({"type": "interval", "seconds": "5"}, "/seconds", "must be a number from 0, got '5'."),
    ({"type": "interval", "seconds": math.nan}, "/seconds", "got nan."),
    ({"type": "interval", "seconds": math.inf}, "/seconds", "got inf."),
    ({"type": "interval", "seconds": 1e308}, "/seconds", "got more."),
    ({"type": "interval", "weeks": 10**5000}, "/weeks", "got a number of 16610 bits."),
    ({"type": "interval", "weeks": 10**300}, "/weeks", "at most 36525 days"),
    ({"type": "interval", "days": 36_525, "seconds": 1}, "/seconds", "at most 36525 days"),
    ({"type": "interval", "minutes": {}}, "/minutes", "got an object."),
    # times
    ({"type": "date"}, "/run_date", "'run_date' is missing"),
    ({"type": "date", "run_date": None}, "/run_date", "'run_date' is missing"),
    ({"type": "date", "run_date": "2027-01-01T09:00"}, "/run_date", "has no UTC offset"),
    ({"type": "date", "run_date": datetime(2027, 1, 1)}, "/run_date", "got a datetime"),
    ({"type": "date", "run_date": 1_800_000_000}, "/run_date", "must be a time like"),
    ({"type": "date", "run_date": "tomorrow"}, "/run_date", "must be a time like"),
    ({"type": "date", "run_date": "2027-02-29T00:00Z"}, "/run_date", "must be a time like"),
    ({"type": "date", "run_date": "2027-01-01T24:00Z"}, "/run_date", "must be a time like"),
    ({"type": "date", "run_date": "2027-01-01T23:59:60Z"}, "/run_date", "must be a time like"),
    ({"type": "date", "run_date": "2027-W01-1T00:00Z"}, "/run_date", "must be a time like"),
    ({"type": "date", "run_date": "２027-01-01T00:00Z"}, "/run_date", "must be a time like"),
    ({"type": "date", "run_date": "2027-01-01T00:00Z\n"}, "/run_date", "must be a time like"),
    ({"type": "date", "run_date": "2027-01-01T00:00Z\ud800"}, "/run_date", "must be a time like"),
    ({"type": "date", "run_date": "0001-01-01T00:00+14:00"}, "/run_date", "years 1900 to 9998"),
    ({"type": "date", "run_date": "9999-12-31T23:00-14:00"}, "/run_date", "years 1900 to 9998"),
    (
        {"type": "date", "run_date": datetime.max.replace(tzinfo=timezone(timedelta(hours=-9)))},
        "/run_date",
        "years 1900",
    ),
    ({"type": "date", "run_date": "0001-01-01", "timezone": "Asia/Tokyo"}, "/run_date", "years 1900 to 9998"),
    # zones: never looked up as a file
    *(
        ({"type": "cron", "expression": "@daily", "timezone": zone}, "/timezone", "must be an IANA name")
        for zone in [
            *(
                "",
                "Mars/Base",
                "europe/berlin",
                "EUROPE/BERLIN",
                "localtime",
                "posixrules",
                "Factory",
                "+01:00",
                "UTC+1",
            ),
            *(
                "/etc/localtime",
                "../zoneinfo/UTC",
                "Europe/../UTC",
                "Europe/Berlin\0",
                "Europe/Berlin\n",
                " UTC",
                "\ud800",
            ),
            *("Europe", "Europe/", "posix/UTC", "right/UTC", "zone.tab", "x" * 10_000, 5, True, [], {"a": 1}),
        ]
    ),
    # windows
    ({"type": "interval", "hours": 1, "end_date": "2026-11-22T12:30Z"}, "/end_date", "never fires"),
    (
        {"type": "interval", "hours": 1, "start_date": "2027-01-02T00:00Z", "end_date": "2027-01-01T00:00Z"},
        "/end_date",
        "never",
    ),
    (
        {"type": "cron", "expression": "@daily", "end_date": "2026-11-22T11:00Z"},
        "/end_date",
        "'end_date' is before its start",
    ),
    ({"type": "cron", "expression": "@yearly", "end_date": "2026-11-23T00:00Z"}, "/end_date", "no time matches"),
    ({"type": "cron", "expression": "@yearly", "start_date": "9998-02-01T00:00Z"}, "/start_date", "no time matches"),
    # cron
    ({"type": "cron"}, "/expression", "'expression' is missing"),
    ({"type": "cron", "expression": "@daily", "seconds": 1}, "/seconds", "must be true or false"),
    ({"type": "cron", "expression": "@daily", "seconds": True}, "/seconds", "leave 'seconds' out"),
]


@pytest.mark.parametrize(("spec", "pointer", "said"), REFUSED)
def test_what_cannot_be_is_refused_with_a_sentence(spec: Any, pointer: str, said: str) -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        parse_trigger(spec, now=NOW)
    fault = refusal.value.faults[0]
    assert fault.pointer == pointer
    assert said in fault.detail
    assert fault.detail.isascii() and fault.detail.isprintable()


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        trigger_of(type="interval", minute=5, seconds=-1, timezone="Mars", start_date="soon")
    assert [fault.pointer for fault in refusal.value.faults] == ["/minute", "/timezone", "/seconds", "/start_date"]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["NaN", "-Infinity", "1e999", "\ud800", "\0", "../../etc/passwd", "2027-01-01T00:00Z", "@daily"])
)
HUGE = st.integers(300, 5000).map(lambda power: (-10) ** power)
TRIGGERS = st.sampled_from(
    [
        {"type": "cron", "hour": "*/4", "day": "last"},
        {"type": "interval", "minutes": 7},
        {"type": "calendarinterval", "months": 1, "start_date": "2026-01-31"},
        {"type": "and", "triggers": [{"type": "cron", "expression": "@daily"}]},
    ]
)
JSON = st.recursive(
    SCALARS | HUGE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
FIELDS = [
    "run_date",
    "weeks",
    "days",
    "hours",
    "minutes",
    "seconds",
    "start_date",
    "end_date",
    "timezone",
    "expression",
    "triggers",
    "jitter",
    "months",
    "hour",
    "day",
    "day_of_week",
    "week",
    "year",
]


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), JSON | TRIGGERS | st.lists(TRIGGERS), max_size=5),
    st.sampled_from(["date", "interval", "cron", "calendarinterval", "or", "and"]) | JSON,
)
def test_any_json_is_understood_or_refused(given_fields: dict[str, object], kind: object) -> None:
    try:
        trigger = parse_trigger({**given_fields, "type": kind}, now=NOW)
    except InvalidTrigger as refusal:
        assert refusal.faults
        assert all(fault.pointer.isascii() and fault.detail.isascii() for fault in refusal.faults)
        return
    assert parse_trigger(trigger.spec, now=NOW + timedelta(days=1)) == trigger
    assert trigger.describe()


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_what_is_no_trigger_at_all_is_refused(anything: Any) -> None:
    with pytest.raises(InvalidTrigger):
        parse_trigger(anything, now=NOW)
