"""Calendar intervals: APScheduler's dates, at a time of the day that no clock change loses or doubles."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger

from scheduler_app.domain.due import firings, preview
from scheduler_app.domain.trigger import Trigger, admit_trigger, parse_trigger
from scheduler_app.errors import InvalidTrigger, TriggerBudgetExceeded
from tests.seeds import mostly_slow

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def every(zone: str = "UTC", **fields: object) -> Trigger:
    return parse_trigger({"type": "calendarinterval", "timezone": zone, **fields}, now=NOW)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def a_period(dice: random.Random) -> dict[str, int]:
    names = dice.sample(["years", "months", "weeks", "days"], dice.randint(1, 3))
    return {name: dice.randint(1, {"years": 3, "months": 14, "weeks": 6, "days": 40}[name]) for name in names}


@pytest.mark.parametrize("seed", mostly_slow(range(4)))
def test_it_fires_when_apscheduler_does_where_no_clock_changes(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(60):
        period = a_period(dice)
        start = date(
            dice.randint(1990, 2030), dice.choice([1, 3, 5, 7, 8, 10, 12]), dice.choice([1, 15, 28, 29, 30, 31])
        )
        clock = {"hour": dice.randrange(24), "minute": dice.randrange(60), "second": dice.randrange(60)}
        zone = dice.choice(["UTC", "Asia/Kolkata", "Asia/Tokyo"])
        theirs = CalendarIntervalTrigger(**period, **clock, start_date=start, timezone=zone)
        expected: list[datetime] = []
        for _ in range(20):
            expected.append(theirs.get_next_fire_time(expected[-1] if expected else None, NOW))
        trigger = every(zone, **period, **clock, start_date=start.isoformat())
        assert preview(trigger, expected[0] - MICROSECOND, 20) == expected, (period, start)
        assert back(trigger, expected[-1], 20) == expected


def back(trigger: Trigger, last: datetime, count: int) -> list[datetime]:
    found = []
    while len(found) < count:
        firing = trigger.at_or_before(last)
        assert firing is not None
        found.append(firing)
        last = firing - MICROSECOND
    return found[::-1]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana"])
@pytest.mark.parametrize("hour", [0, 1, 2, 3])
def test_every_day_has_one_firing_at_the_first_instant_that_shows_its_time_or_a_later_one(zone: str, hour: int) -> None:
    """The oracle looks at every minute of a day; a time in a gap is one that the clock passes over."""
    local = ZoneInfo(zone)
    trigger = every(zone, days=1, hour=hour, minute=10, start_date="2026-01-01")
    found = preview(trigger, at("2026-01-01T00:00Z"), 360)
    for firing in found:
        wall = datetime.combine(firing.astimezone(local).date(), datetime.min.time().replace(hour=hour, minute=10))
        walked = firing - timedelta(hours=4)
        while walked.astimezone(local).replace(tzinfo=None) < wall:
            walked += timedelta(minutes=5)
        assert firing == walked
    days = [firing.astimezone(local).date() for firing in found]
    assert days == [days[0] + timedelta(days=number) for number in range(360)]


def test_a_time_in_a_gap_fires_right_after_it_and_one_that_comes_twice_fires_once() -> None:
    trigger = every("Europe/Berlin", weeks=1, hour=2, minute=30, start_date="2027-03-21")
    assert preview(trigger, at("2027-03-27T00:00Z"), 2) == [at("2027-03-28T01:00Z"), at("2027-04-04T00:30Z")]
    trigger = every("Europe/Berlin", days=1, hour=2, minute=30, start_date="2026-10-24")
    assert preview(trigger, at("2026-10-24T12:00Z"), 2) == [at("2026-10-25T00:30Z"), at("2026-10-26T01:30Z")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # months without the day are skipped
        ({"months": 1, "start_date": "2026-10-31"}, ["2026-12-31T00:00Z", "2027-01-31T00:00Z", "2027-03-31T00:00Z"]),
        ({"years": 1, "start_date": "2024-02-29"}, ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]),
        # the days come after the months, from the date before
        ({"months": 1, "days": 1, "start_date": "2026-10-31"}, ["2027-01-01T00:00Z", "2027-02-02T00:00Z"]),
        # without a start it is today, and what is past of today is past
        ({"days": 2, "hour": 13}, ["2026-11-22T13:00Z", "2026-11-24T13:00Z"]),
        ({"days": 2, "hour": 11}, ["2026-11-24T11:00Z", "2026-11-26T11:00Z"]),
        ({"days": 2, "hour": 12}, ["2026-11-22T12:00Z", "2026-11-24T12:00Z"]),
        # ends are included, as days or as times
        (
            {"days": 1, "hour": 9, "start_date": "2027-01-01", "end_date": "2027-01-02"},
            ["2027-01-01T09:00Z", "2027-01-02T09:00Z"],
        ),
        (
            {"days": 1, "hour": 9, "start_date": "2027-01-01T10:00Z", "end_date": "2027-01-03T09:00Z"},
            ["2027-01-02T09:00Z", "2027-01-03T09:00Z"],
        ),
    ],
)
def test_its_dates_are_reckoned_from_the_start(fields: dict[str, object], expected: list[str]) -> None:
    trigger = every(**fields)
    found = [trigger.first(NOW)]
    while len(found) < len(expected):
        found.append(trigger.after(found[-1]))
    assert found == [at(text) for text in expected]
    if "end_date" in fields:
        assert trigger.after(found[-1]) is None
        assert trigger.at_or_before(at("2090-01-01T00:00Z")) == found[-1]


def test_the_start_is_filled_in_and_kept_so_that_a_restart_moves_nothing() -> None:
    trigger = every("Asia/Tokyo", months=1, hour=9)
    kept = trigger.spec
    assert kept == {
        "type": "calendarinterval",
        "months": 1,
        "hour": 9,
        "timezone": "Asia/Tokyo",
        "start_date": "2026-11-22",
    }
    again = parse_trigger(kept, now=NOW + timedelta(days=4000))
    assert again == trigger
    assert again.after(NOW) == trigger.after(NOW)
    timed = every(days=1, start_date="2027-01-01T10:00+02:00", end_date="2027-05-01")
    assert timed.spec["start_date"] == "2027-01-01T08:00:00Z"
    assert parse_trigger(timed.spec, now=NOW) == timed


def test_a_python_date_is_a_start() -> None:
    assert every(months=1, start_date=date(2027, 1, 15)).spec["start_date"] == "2027-01-15"


def test_dates_far_from_the_start_are_found_within_the_budget_or_refused() -> None:
    daily = every(days=1, start_date="1900-01-01")
    assert daily.after(at("9000-01-01T00:00Z")) == at("9000-01-02T00:00Z")
    mixed = every(months=1, days=1, start_date="1990-01-01")
    assert mixed.after(at("2700-01-01T00:00Z")) is not None
    with pytest.raises(TriggerBudgetExceeded):
        mixed.after(at("9000-01-01T00:00Z"))
    assert every(years=100, start_date="2096-02-29").after(NOW) == at("2096-02-29T00:00Z")
    assert every(years=100, start_date="9900-02-28").after(at("9900-02-28T00:00Z")) is None
    assert daily.after(datetime.max.replace(tzinfo=UTC)) is None
    assert daily.at_or_before(datetime.min.replace(tzinfo=UTC)) is None
    assert next(firings(daily, datetime.min.replace(tzinfo=UTC))) == at("1900-01-01T00:00Z")


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({}, "/days", "must add up to at least a day"),
        ({"months": 0}, "/months", "must add up to at least a day"),
        ({"months": -1}, "/months", "must be a whole number from 0 to 1200, got -1."),
        ({"months": 1.5}, "/months", "must be a whole number"),
        ({"months": "1"}, "/months", "must be a whole number"),
        ({"days": True}, "/days", "must be a whole number"),
        ({"years": 101}, "/years", "from 0 to 100"),
        ({"days": 1, "hour": 24}, "/hour", "from 0 to 23"),
        ({"days": 1, "minute": 60}, "/minute", "from 0 to 59"),
        ({"days": 1, "hours": 1}, "/hours", "did you mean 'hour'?"),
        ({"days": 1, "start_date": "2026-02-30"}, "/start_date", "must be a date like"),
        ({"days": 1, "start_date": "1899-01-01"}, "/start_date", "years 1900 to 9998"),
        ({"days": 1, "start_date": 5}, "/start_date", "must be a time like"),
        ({"days": 1, "start_date": "2027-01-02", "end_date": "2027-01-01"}, "/end_date", "never fires"),
        ({"days": 1, "hour": 11, "end_date": "2026-11-22"}, "/end_date", "has no firing after 2026-11-22T12:00:00Z"),
        ({"days": 1, "jitter": -1}, "/jitter", "must be a number from 0"),
        ({"days": 1, "jitter": 10**9}, "/jitter", "at most 2592000 seconds"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(fields: dict[str, Any], pointer: str, said: str) -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        admit_trigger({"type": "calendarinterval", **fields}, now=NOW)
    assert refusal.value.faults[0].pointer == pointer
    assert said in refusal.value.faults[0].detail


def test_a_start_without_an_offset_needs_a_zone_but_a_day_does_not() -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        parse_trigger({"type": "calendarinterval", "days": 1, "start_date": "2027-01-01T09:00"}, now=NOW)
    assert "has no UTC offset" in refusal.value.detail
    plain = parse_trigger({"type": "calendarinterval", "days": 1, "start_date": "2027-01-01"}, now=NOW)
    assert plain.after(NOW) == at("2027-01-01T00:00Z")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"months": 1, "hour": 9, "start_date": "2027-01-15"}, "Every month at 09:00:00, from 2027-01-15 (UTC)"),
        ({"weeks": 2, "start_date": "2027-01-15"}, "Every 2 weeks at 00:00:00, from 2027-01-15 (UTC)"),
        (
            {"years": 1, "months": 2, "days": 3, "start_date": "2027-01-15"},
            "Every 1 year and 2 months and 3 days at 00:00:00, from 2027-01-15 (UTC)",
        ),
        (
            {"days": 1, "start_date": "2027-01-15", "end_date": "2027-02-01"},
            "Every day at 00:00:00, from 2027-01-15, until 2027-02-01T00:00:00Z (UTC)",
        ),
    ],
)
def test_it_is_told_in_words(fields: dict[str, object], words: str) -> None:
    assert every(**fields).describe() == words


@pytest.mark.parametrize(
    ("zone", "fields", "said"),
    [
        ("UTC", {"months": 1, "start_date": "2027-01-31"}, "It skips months without a day 31"),
        ("UTC", {"months": 5, "start_date": "2027-07-29"}, "It skips months without a day 29"),
        ("UTC", {"months": 6, "start_date": "2027-08-30"}, "It skips months without a day 30"),
        ("UTC", {"years": 1, "start_date": "2028-02-29"}, "It skips years without a day 29"),
        ("Europe/Berlin", {"days": 1, "hour": 2, "minute": 30}, "2027-03-28 02:30:00 does not exist in Europe/Berlin"),
        ("Europe/Berlin", {"days": 1, "hour": 2, "minute": 30}, "2027-10-31 02:30:00 comes twice in Europe/Berlin"),
        ("UTC", {"years": 2, "start_date": "2029-01-01"}, "It fires for the first time in more than a year"),
        ("UTC", {"days": 1, "start_date": "2027-01-01", "end_date": "2027-01-01"}, "It fires only once"),
    ],
)
def test_it_warns_of_what_may_surprise(zone: str, fields: dict[str, object], said: str) -> None:
    assert any(said in text for text in every(zone, **fields).warnings())


@pytest.mark.parametrize(
    "fields",
    [
        {"months": 1, "hour": 9, "start_date": "2026-11-01"},
        {"months": 2, "start_date": "2027-01-30"},  # every other month has 30 days
        {"months": 12, "start_date": "2027-01-31"},
        {"months": 1, "days": 1, "start_date": "2027-02-28"},
    ],
)
def test_it_does_not_warn_without_need(fields: dict[str, object]) -> None:
    assert every("Europe/Berlin", **fields).warnings() == []
