"""APScheduler's cron fields: the same firings as APScheduler where it is right, and none lost where it loses days."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from scheduler_app.domain.due import firings, preview
from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.errors import InvalidTrigger
from tests.domain import cron_oracle, field_oracle
from tests.seeds import mostly_slow

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def cron(zone: str = "UTC", **fields: object) -> Trigger:
    return parse_trigger({"type": "cron", "timezone": zone, **fields}, now=NOW)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("seed", mostly_slow(range(8)))
def test_it_fires_when_apscheduler_does_where_no_clock_changes(seed: int) -> None:
    dice = random.Random(seed)
    compared = 0
    for _ in range(150):
        given = field_oracle.fields(dice)
        zone = dice.choice(["UTC", "Asia/Kolkata", "Asia/Tokyo", "America/Phoenix"])
        moment = datetime(dice.randint(2020, 2035), dice.randint(1, 12), dice.randint(1, 28), tzinfo=UTC)
        moment += timedelta(seconds=dice.randrange(86_400))
        try:
            trigger = cron(zone, **given)
        except InvalidTrigger as refusal:
            assert "can never fire" in refusal.detail
            continue
        theirs = CronTrigger(**given, timezone=zone).get_next_fire_time(None, moment + MICROSECOND)
        assert trigger.after(moment) == theirs, (given, zone, moment)
        assert trigger.at_or_before(theirs) == theirs
        assert (
            trigger.at_or_before(theirs - MICROSECOND) is None or trigger.at_or_before(theirs - MICROSECOND) <= moment
        )
        compared += 1
    assert compared > 140


@pytest.mark.parametrize(
    ("zone", "day"), mostly_slow((change for change in cron_oracle.CHANGES if "Apia" not in change[0]), fast=6)
)
def test_over_a_change_of_the_clock_it_loses_nothing_and_doubles_nothing(zone: str, day: str) -> None:
    begin = cron_oracle.utc(day) - timedelta(days=1)
    end = begin + timedelta(days=3)
    dice = random.Random(zone + day)
    for given in [{"hour": 2, "minute": 30}, *(field_oracle.fields(dice, hours_of_change=True) for _ in range(2))]:
        expected = field_oracle.firings(given, zone, begin, 3)
        found = []
        for firing in firings(cron(zone, **given), begin):
            if firing >= end:
                break
            found.append(firing)
        assert found == expected, (given, zone)


def test_the_day_that_apscheduler_loses_is_not_lost() -> None:
    """At 2:30 in Berlin: on 29 March 2026 there is no such time, and APScheduler goes on to the 30th."""
    moment = at("2026-03-28T12:00Z")
    theirs = CronTrigger(hour=2, minute=30, timezone="Europe/Berlin")
    assert theirs.get_next_fire_time(None, moment).astimezone(UTC) != at("2026-03-29T01:00Z")
    ours = cron("Europe/Berlin", hour=2, minute=30)
    assert preview(ours, moment, 2) == [at("2026-03-29T01:00Z"), at("2026-03-30T00:30Z")]


def test_every_day_of_forty_years_has_its_firing() -> None:
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
        trigger = cron(zone, hour=2, minute=15, start_date="2000-01-01T00:00Z")
        days = [firing.astimezone(ZoneInfo(zone)).date() for firing in preview(trigger, at("2000-01-01T00:00Z"), 1000)]
        assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(days))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # less significant fields than the least given one are at their least value, the others match anything
        ({"hour": 9}, ["2026-11-23T09:00Z", "2026-11-24T09:00Z"]),
        ({"minute": 5}, ["2026-11-22T12:05Z", "2026-11-22T13:05Z"]),
        ({"second": "*/30"}, ["2026-11-22T12:00:30Z", "2026-11-22T12:01:00Z"]),
        ({"day": 1}, ["2026-12-01T00:00Z", "2027-01-01T00:00Z"]),
        ({"month": "*/6"}, ["2027-01-01T00:00Z", "2027-07-01T00:00Z"]),
        ({"year": 2028}, ["2028-01-01T00:00Z"]),
        ({"day_of_week": 0}, ["2026-11-23T00:00Z", "2026-11-30T00:00Z"]),
        ({"week": 53}, ["2026-12-28T00:00Z", "2026-12-29T00:00Z"]),
        # 0 is Monday; both kinds of day must match
        ({"day_of_week": "mon-fri", "hour": 9}, ["2026-11-23T09:00Z", "2026-11-24T09:00Z"]),
        ({"day": 13, "day_of_week": "fri"}, ["2027-08-13T00:00Z", "2028-10-13T00:00Z"]),
        # days that need their month
        ({"day": "last", "hour": 18}, ["2026-11-30T18:00Z", "2026-12-31T18:00Z"]),
        ({"day": "3rd fri"}, ["2026-12-18T00:00Z", "2027-01-15T00:00Z"]),
        ({"day": "last SUN, 2nd  Tue"}, ["2026-11-29T00:00Z", "2026-12-08T00:00Z"]),
        ({"day": "5th mon"}, ["2026-11-30T00:00Z", "2027-03-29T00:00Z"]),
        # names and lists
        ({"month": "Mar,sep-oct", "day": "1-7/3"}, ["2027-03-01T00:00Z", "2027-03-04T00:00Z"]),
    ],
)
def test_fields_mean_what_they_mean_in_apscheduler(fields: dict[str, object], expected: list[str]) -> None:
    assert preview(cron(**fields), NOW, len(expected)) == [at(text) for text in expected]


def test_a_rare_date_far_away_is_found_at_once() -> None:
    assert cron(year=9998, month=12, day=31).after(NOW) == at("9998-12-31T00:00Z")
    assert cron("Europe/Berlin", year=1975).at_or_before(NOW) == at("1974-12-31T23:00Z")
    assert cron(day="29", month=2, day_of_week="sun").after(NOW) == at("2032-02-29T00:00Z")
    assert cron("Europe/Berlin", year="2028-2030/2", month=6).after(at("2028-06-01T00:00Z")) == at("2030-05-31T22:00Z")


def test_fields_are_kept_as_they_were_given() -> None:
    kept = cron(hour=9, day="  LAST   fri ", minute="5, 10").spec
    assert kept == {"type": "cron", "hour": 9, "day": "last fri", "minute": "5,10", "timezone": "UTC"}
    assert parse_trigger(kept, now=NOW + timedelta(days=400)).spec == kept


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"hour": 24}, "/hour", "'hour' has '24'; allowed is 0 to 23."),
        ({"hour": "nine"}, "/hour", "allowed is 0 to 23."),
        ({"hour": -1}, "/hour", "'hour' has '-1'"),
        ({"hour": True}, "/hour", "whole number or a string like '*/2', got true"),
        ({"hour": 9.5}, "/hour", "got 9.5"),
        ({"hour": [9]}, "/hour", "got a list"),
        ({"hour": ""}, "/hour", "'hour' has ''"),
        ({"hour": "9,"}, "/hour", "'hour' has ''"),
        ({"hour": "*/0"}, "/hour", "its step must be from 1 to 23"),
        ({"hour": "*/24"}, "/hour", "its step must be from 1 to 23"),
        ({"hour": "8-10/5"}, "/hour", "its step must be from 1 to 2"),
        ({"hour": "10-8"}, "/hour", "from the smaller to the larger"),
        ({"hour": "*-8"}, "/hour", "a range or a step"),
        ({"hour": "９"}, "/hour", "a range or a step"),
        ({"hour": "1" * 300}, "/hour", "300 characters long"),
        ({"hour": 10**400}, "/hour", "'hour' has"),
        ({"month": "jam"}, "/month", "did you mean 'jan'?"),
        ({"day_of_week": 7}, "/day_of_week", "allowed is 0 to 6, mon"),
        ({"day_of_week": "sun-mon"}, "/day_of_week", "from the smaller to the larger"),
        ({"day_of_week": "1st mon"}, "/day_of_week", "'day_of_week' has '1st mon'"),
        ({"day": 32}, "/day", "a weekday of the month like '2nd fri' or 'last sun'"),
        ({"day": "6th mon"}, "/day", "'day' has '6th mon'"),
        ({"week": 54}, "/week", "allowed is 1 to 53"),
        ({"year": 1969}, "/year", "allowed is 1970 to 9998"),
        # what can never fire
        ({"day": 31, "month": 2}, "/day", "It can never fire: no date has month '2', day '31'."),
        ({"day": "5th mon", "month": 2, "year": "2026-2027"}, "/day", "can never fire"),
        ({"week": 1, "month": 6}, "/week", "can never fire"),
        ({"day": "last fri", "day_of_week": "mon"}, "/day_of_week", "can never fire"),
        # no mixture of the two ways
        ({"hour": 9, "expression": "0 9 * * *"}, "/hour", "stands beside 'expression'"),
        ({"hour": 9, "seconds": True}, "/seconds", "the field is named 'second'"),
        ({"hours": 9}, "/hours", "did you mean 'hour'?"),
        ({"hour": 9, "end_date": "2026-11-22T13:00Z"}, "/end_date", "no time matches"),
        ({"year": 2027, "start_date": "2028-01-01T00:00Z"}, "/year", "no time matches"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(fields: dict[str, object], pointer: str, said: str) -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        cron(**fields)
    assert refusal.value.faults[0].pointer == pointer
    assert said in refusal.value.faults[0].detail


def test_all_wrong_fields_are_told_at_once() -> None:
    with pytest.raises(InvalidTrigger) as refusal:
        cron(hour=24, minute=60, day="x")
    assert [fault.pointer for fault in refusal.value.faults] == ["/day", "/hour", "/minute"]


@pytest.mark.parametrize("seed", mostly_slow(range(4)))
def test_what_apscheduler_accepts_is_accepted(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(250):
        given = field_oracle.fields(dice)
        CronTrigger(**given, timezone="UTC")
        try:
            trigger = cron(**given)
        except InvalidTrigger as refusal:
            assert "can never fire" in refusal.detail
            continue
        assert trigger.describe().endswith(" (UTC)")
        assert all(text.endswith(".") for text in trigger.warnings())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hour": 9, "day_of_week": "mon-fri"}, "At 09:00, Monday through Friday (UTC)"),
        ({"minute": "*/15"}, "Every 15 minutes (UTC)"),
        ({"day": "last", "hour": 18}, "At 18:00, on the last day of the month (UTC)"),
        ({"day": "3rd fri", "hour": 18}, "At 18:00, on the 3rd fri (UTC)"),
        ({"day": 13, "day_of_week": "fri"}, "At 00:00, on day 13 of the month, only on fri (UTC)"),
        (
            {"year": 2028, "month": 3, "day": 1},
            "At 00:00, on day 1 of the month, only in March, in the year 2028 (UTC)",
        ),
        ({"week": 1, "day_of_week": 0}, "At 00:00, only on Monday, in ISO week 1 (UTC)"),
    ],
)
def test_fields_are_told_in_words(fields: dict[str, object], words: str) -> None:
    assert cron(**fields).describe() == words


@pytest.mark.parametrize(
    ("zone", "fields", "said"),
    [
        ("UTC", {"second": "*"}, "It fires every second of each matching minute."),
        ("UTC", {"day": 31}, "It does not fire in February, April, June, September, November: no day 31."),
        ("UTC", {"day": 31}, "For the last day of every month write last."),
        ("UTC", {"day": 30, "month": "1-6"}, "It does not fire in February: no day 30."),
        ("UTC", {"day": 29, "month": "feb"}, "It fires in leap years only."),
        ("UTC", {"day": "5th fri"}, "It does not fire in months without a 5th fri."),
        ("Europe/Berlin", {"hour": 2, "minute": 30}, "2027-03-28 02:30 does not exist in Europe/Berlin"),
        ("Europe/Berlin", {"hour": 2, "minute": "*/30"}, "2027-10-31 02:00 comes twice in Europe/Berlin"),
        ("UTC", {"year": 2028}, "It fires only once, at 2028-01-01T00:00:00Z."),
        ("UTC", {"month": 2, "day": 29, "year": "2028,2032"}, "It fires for the first time in more than a year"),
        ("UTC", {"hour": 9, "start_date": "2020-01-01T00:00Z"}, "'start_date' 2020-01-01T00:00:00Z is past"),
        ("UTC", {"minute": "*", "jitter": 60}, "'jitter' of 60 seconds is as long as the time between two firings"),
    ],
)
def test_it_warns_of_what_may_surprise(zone: str, fields: dict[str, object], said: str) -> None:
    assert any(said in text for text in cron(zone, **fields).warnings())


@pytest.mark.parametrize("fields", [{"hour": 9, "day_of_week": "mon-fri"}, {"minute": 0}, {"hour": "*", "minute": 30}])
def test_it_does_not_warn_without_need(fields: dict[str, object]) -> None:
    assert cron("Europe/Berlin", **fields).warnings() == []
