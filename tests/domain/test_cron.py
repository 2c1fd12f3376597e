"""Cron: the same firings as Debian's cron, in every zone and over every change of the clock; all else refused."""

import random
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_app.domain.cron_table import cron_table, parse_expression
from scheduler_app.domain.due import firings, preview
from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.domain.zone import spans, zone_names
from scheduler_app.errors import InvalidTrigger
from tests.domain import cron_oracle as oracle
from tests.seeds import mostly_slow

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ZONES = sorted({zone for zone, _ in oracle.CHANGES})
ORDINARY_DAYS = [f"{year}-{month:02}-{day:02}" for year, month, day in ((2024, 2, 28), (2026, 12, 31), (2031, 6, 14))]


def cron(expression: str, zone: str = "UTC", **more: object) -> Trigger:
    return parse_trigger({"type": "cron", "expression": expression, "timezone": zone, **more}, now=NOW)


def within(trigger: Trigger, begin: datetime, end: datetime) -> list[datetime]:
    """All firings after `begin` and before `end`."""
    found = []
    for firing in firings(trigger, begin):
        if firing >= end:
            break
        found.append(firing)
    return found


def back_from(trigger: Trigger, begin: datetime, end: datetime) -> list[datetime]:
    """The same, found from the other side."""
    found = []
    firing = trigger.at_or_before(end - timedelta(microseconds=1))
    while firing is not None and firing > begin:
        found.append(firing)
        firing = trigger.at_or_before(firing - timedelta(microseconds=1))
    return found[::-1]


@pytest.mark.parametrize(("zone", "day"), mostly_slow(oracle.CHANGES, fast=8))
def test_over_a_change_of_the_clock_it_fires_as_debian_does(zone: str, day: str) -> None:
    begin, days = oracle.utc(day) - timedelta(days=1), 4
    seen = oracle.walk(zone, begin, days)
    for expression in [*oracle.near_the_change(seed=len(zone) + begin.year, count=15), "30 2 * * *", "0 * * * *"]:
        expected = oracle.firings(expression, seen)
        trigger = cron(expression, zone)
        assert same(within(trigger, begin, begin + timedelta(days=days)), expected, zone, expression)
        assert same(back_from(trigger, begin, begin + timedelta(days=days)), expected, zone, expression)


@pytest.mark.parametrize("zone", ZONES)
def test_on_ordinary_days_it_fires_as_debian_does(zone: str) -> None:
    for day in ORDINARY_DAYS:
        begin = oracle.utc(day)
        seen = oracle.walk(zone, begin, 3)
        for expression in frequent(seed=ord(zone[-1]) + begin.year, count=12):
            expected = oracle.firings(expression, seen)
            found = within(cron(expression, zone), begin, begin + timedelta(days=3))
            assert same(found, expected, zone, expression)


def same(found: list[datetime], expected: list[datetime], *case: str) -> bool:
    """Compare long lists; of a difference only its first place is told."""
    odd = sorted(set(found) ^ set(expected))
    assert not odd, f"{case}: {odd[0]} is {'surplus' if odd[0] in found else 'missing'}"
    return found == expected


def frequent(seed: int, count: int) -> list[str]:
    """Expressions of the corpus whose months say nothing, so that days in a row hold firings."""
    return [" ".join([*text.split()[:3], "*", text.split()[4]]) for text in oracle.corpus(seed, count)]


def test_what_fires_rarely_fires_on_the_right_dates() -> None:
    begin, days = oracle.utc("2027-12-31"), 366 * 5
    end = begin + timedelta(days=days)
    checked = 0
    for expression in oracle.corpus(seed=1, count=420):
        try:
            trigger = cron(expression)
        except InvalidTrigger as refusal:
            assert "never" in refusal.detail
            assert not list(oracle.days_with_firings(expression, oracle.utc("2000-01-01"), 366 * 28)), expression
            continue
        expected = list(islice((at for at in oracle.days_with_firings(expression, begin, days) if at > begin), 40))
        found = [at for at in islice(firings(trigger, begin), 40) if at < end]
        assert same(found, expected, expression)
        checked += 1
    assert checked > 380


@pytest.mark.slow
def test_no_zone_changes_its_clock_unseen() -> None:
    """The spans of a year are the truth at every 35th hour of it, for every zone that there is."""
    for name in sorted(zone_names()):
        zone = ZoneInfo(name)
        for year in (1941, 2026):
            known = spans(zone, year)
            hours = (datetime(year, 1, 1) + timedelta(hours=35 * number) for number in range(250))
            for hour in hours:
                span = next(span for span in known if span.start <= hour < span.end)
                assert hour.replace(tzinfo=UTC).astimezone(zone).utcoffset() == span.offset, (name, hour)


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # a fixed time in the gap: right after it, once, whatever the number of times in it
        ("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00Z", ["2027-03-28T03:00+02:00", "2027-03-29T02:30+02:00"]),
        ("0,30 2 * * *", "Europe/Berlin", "2027-03-27T12:00Z", ["2027-03-28T03:00+02:00", "2027-03-29T02:00+02:00"]),
        ("0 2,3 * * *", "Europe/Berlin", "2027-03-27T12:00Z", ["2027-03-28T03:00+02:00", "2027-03-29T02:00+02:00"]),
        # the whole gap at midnight
        ("0 0 * * *", "America/Havana", "2027-03-13T12:00Z", ["2027-03-14T01:00-04:00", "2027-03-15T00:00-04:00"]),
        # a fixed time that comes twice: the first time only
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        # asked in the second hour: not the first one again, and not the second
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10Z", ["2026-10-26T02:30+01:00", "2026-10-27T02:30+01:00"]),
        # half an hour twice, half an hour gone
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2027-04-03T12:00Z",
            ["2027-04-04T01:45+11:00", "2027-04-05T01:45+10:30"],
        ),
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00Z",
            ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"],
        ),
        # an hour of * is every real hour, also the one that comes twice
        ("0 * * * *", "Europe/Berlin", "2026-10-24T23:30Z", ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"]),
        ("0 * * * *", "Europe/Berlin", "2027-03-28T00:30Z", ["2027-03-28T03:00+02:00", "2027-03-28T04:00+02:00"]),
        # a minute of * follows the clock: nothing in a gap
        ("*/30 2 * * *", "Europe/Berlin", "2027-03-27T12:00Z", ["2027-03-29T02:00+02:00", "2027-03-29T02:30+02:00"]),
        # the day that Samoa skipped is a correction, not daylight saving: its firings do not exist
        ("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00Z", ["2011-12-29T09:00-10:00", "2011-12-31T09:00+14:00"]),
        # 29 February, over 2100 which has none; and on a Sunday: 28 or 40 years on
        ("0 0 29 2 *", "UTC", "2096-02-29T00:00Z", ["2104-02-29T00:00Z", "2108-02-29T00:00Z"]),
        ("0 0 29 2 */7", "UTC", "2060-03-01T00:00Z", ["2088-02-29T00:00Z", "2128-02-29T00:00Z"]),
        # either day field when both are restricted, both when one starts with a star
        ("0 0 13 * 5", "UTC", "2026-11-12T00:00Z", ["2026-11-13T00:00Z", "2026-11-20T00:00Z"]),
        ("0 0 */2 * 1", "UTC", "2026-11-01T00:00Z", ["2026-11-09T00:00Z", "2026-11-23T00:00Z"]),
        # Sunday is 0 and 7, names in any case, ranges of names
        ("0 0 * * 7", "UTC", "2026-11-22T12:00Z", ["2026-11-29T00:00Z", "2026-12-06T00:00Z"]),
        ("0 0 * * fri-7", "UTC", "2026-11-22T12:00Z", ["2026-11-27T00:00Z", "2026-11-28T00:00Z"]),
        ("0 0 1 JAN,Feb *", "UTC", "2026-11-22T12:00Z", ["2027-01-01T00:00Z", "2027-02-01T00:00Z"]),
        # letters that crontab(5) does not have
        ("0 0 L * *", "UTC", "2027-02-01T00:00Z", ["2027-02-28T00:00Z", "2027-03-31T00:00Z"]),
        ("0 0 lw * *", "UTC", "2027-02-01T00:00Z", ["2027-02-26T00:00Z", "2027-03-31T00:00Z"]),
        ("0 0 * * 5l", "UTC", "2027-02-01T00:00Z", ["2027-02-26T00:00Z", "2027-03-26T00:00Z"]),
        ("0 0 * * mon#2", "UTC", "2027-02-01T00:00Z", ["2027-02-08T00:00Z", "2027-03-08T00:00Z"]),
        # macros
        ("@Yearly", "UTC", "2027-02-01T00:00Z", ["2028-01-01T00:00Z", "2029-01-01T00:00Z"]),
        ("@annually", "UTC", "2027-02-01T00:00Z", ["2028-01-01T00:00Z", "2029-01-01T00:00Z"]),
        ("@monthly", "UTC", "2027-02-01T00:00Z", ["2027-03-01T00:00Z", "2027-04-01T00:00Z"]),
        ("@weekly", "UTC", "2027-02-01T00:00Z", ["2027-02-07T00:00Z", "2027-02-14T00:00Z"]),
        ("@DAILY", "UTC", "2027-02-01T00:00Z", ["2027-02-02T00:00Z", "2027-02-03T00:00Z"]),
        ("@midnight", "UTC", "2027-02-01T00:00Z", ["2027-02-02T00:00Z", "2027-02-03T00:00Z"]),
        ("@hourly", "UTC", "2027-02-01T00:00Z", ["2027-02-01T01:00Z", "2027-02-01T02:00Z"]),
        # blanks around and between, a tab, leading zeros
        ("  05\t 7  * * * ", "UTC", "2027-02-01T00:00Z", ["2027-02-01T07:05Z", "2027-02-02T07:05Z"]),
        # fractions of a second do not matter
        ("* * * * *", "UTC", "2027-02-01T00:00:59.999999Z", ["2027-02-01T00:01Z", "2027-02-01T00:02Z"]),
        # before the calendar of triggers begins, and where offsets had seconds
        ("0 0 1 1 *", "UTC", "1850-02-01T00:00Z", ["1900-01-01T00:00Z", "1901-01-01T00:00Z"]),
        ("0 0 1 1 *", "Africa/Monrovia", "1960-02-01T00:00Z", ["1961-01-01T00:44:30Z", "1962-01-01T00:44:30Z"]),
    ],
)
def test_the_next_two_firings_are(expression: str, zone: str, after: str, expected: list[str]) -> None:
    found = preview(cron(expression, zone), datetime.fromisoformat(after), 2)
    assert found == [datetime.fromisoformat(text) for text in expected]


@pytest.mark.parametrize(
    ("expression", "zone", "asked", "theirs", "ours"),
    [
        # asked in the second of two equal hours, cronsim answers with a time in the first: it goes back
        ("59 2 * * *", "Europe/Berlin", "2026-10-25T01:10Z", "2026-10-25T00:59Z", "2026-10-26T01:59Z"),
        # half an hour that is skipped: it loses the first firings of the next day
        ("*/20 23 * * *", "Australia/Lord_Howe", "2026-10-03T13:10Z", "2026-10-04T12:40Z", "2026-10-04T12:00Z"),
        # `5-5/2` is 5, not 5, 7, 9 and so on
        ("5-5/2 * * * *", "UTC", "2027-01-01T00:05Z", "2027-01-01T00:07Z", "2027-01-01T01:05Z"),
    ],
)
def test_where_cronsim_errs_we_do_not(expression: str, zone: str, asked: str, theirs: str, ours: str) -> None:
    """When `theirs` changes, cronsim was repaired, and what we do about it may go."""
    moment = datetime.fromisoformat(asked)
    assert cron(expression, zone).after(moment) == datetime.fromisoformat(ours)
    assert next(CronSim(expression, moment.astimezone(ZoneInfo(zone)))).astimezone(UTC).isoformat()[:16] == theirs[:16]


def test_with_seconds_a_fixed_time_in_a_gap_also_runs_right_after_it() -> None:
    trigger = cron("15 30 2 * * *", "Europe/Berlin", seconds=True)
    assert preview(trigger, oracle.utc("2027-03-28"), 1) == [datetime(2027, 3, 28, 1, tzinfo=UTC)]
    assert len(within(trigger, oracle.utc("2026-10-25"), oracle.utc("2026-10-26"))) == 1


@pytest.mark.parametrize("expression", ["* * * * *", "*/7 3 * * *", "5,50 0,1,2 * * *", "0 2 * * sun"])
@pytest.mark.parametrize(("zone", "day"), mostly_slow(oracle.CHANGES[::3], fast=3))
def test_the_seconds_field_multiplies_the_firings_of_a_minute(expression: str, zone: str, day: str) -> None:
    """Outside the gap, whose firings fall together."""
    begin = oracle.utc(day) - timedelta(days=1, seconds=30)
    end = begin + timedelta(days=3)
    minutes = within(cron(expression, zone), begin, end)
    seconds = within(cron(f"0,7-9 {expression}", zone, seconds=True), begin, end)
    assert [at for at in seconds if at.second == 0] == minutes
    by_minute = {minute: [at.second for at in group] for minute, group in groupby(seconds, minute_of)}
    assert all(found in ([0], [0, 7, 8, 9]) for found in by_minute.values())
    assert sum(found == [0] for found in by_minute.values()) <= 1


def minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0)


def test_the_end_of_the_calendar_ends_the_firings() -> None:
    assert cron("0 0 1 1 *").after(datetime(9998, 12, 31, tzinfo=UTC)) is None
    assert cron("0 0 1 1 *").at_or_before(datetime(1899, 12, 31, tzinfo=UTC)) is None
    assert cron("* * * * *", "Asia/Tokyo").after(datetime.max.replace(tzinfo=UTC)) is None
    assert cron("* * * * *", "Pacific/Apia").at_or_before(datetime.min.replace(tzinfo=UTC)) is None
    last = cron("* * * * *", "Asia/Tokyo").at_or_before(datetime.max.replace(tzinfo=UTC))
    assert last == datetime(9998, 12, 31, 23, 59, tzinfo=UTC)


def test_an_expression_is_parsed_once() -> None:
    assert parse_expression("1 2 3 4 *") is parse_expression(" 1  2 3 4 *")
    misses = cron_table.cache_info().misses
    trigger = cron("1 2 3 4 *")
    preview(trigger, NOW, 100)
    assert cron_table.cache_info().misses == misses


MOMENTS = st.datetimes(datetime(1995, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(oracle.corpus(seed=7, count=200)), st.sampled_from(ZONES), MOMENTS)
def test_the_next_is_later_and_nothing_lies_between(expression: str, zone: str, moment: datetime) -> None:
    try:
        trigger = cron(expression, zone)
    except InvalidTrigger:
        return
    following = trigger.after(moment)
    assert following is not None and following > moment
    assert trigger.at_or_before(following) == following
    before = trigger.at_or_before(following - timedelta(microseconds=1))
    assert before is not None and before <= moment
    assert trigger.after(before) == following
    assert within(trigger, moment, following) == []


def test_every_expression_of_the_corpus_has_words() -> None:
    dice = random.Random(3)
    for expression in oracle.corpus(seed=5, count=150) + oracle.near_the_change(seed=5, count=50):
        try:
            trigger = cron(expression, dice.choice(ZONES))
        except InvalidTrigger:
            continue
        assert len(trigger.describe()) > 10
        assert all(text.endswith(".") for text in trigger.warnings())


@pytest.mark.parametrize(
    ("expression", "zone", "words"),
    [
        ("0 9 * * 1-5", "Europe/Berlin", "At 09:00, Monday through Friday (Europe/Berlin)"),
        ("*/15 * * * *", "UTC", "Every 15 minutes (UTC)"),
        ("@hourly", "UTC", "Every hour (UTC)"),
        ("*/90 * * * *", "UTC", "Every 90th minute of every hour (UTC)"),  # not "every 90 minutes", which is wrong
        ("0 0 */2 * 1", "UTC", "At 00:00 on every second day of month if it's on Monday (UTC)"),  # both, not either
        ("1 9-17 * * *", "UTC", "At 1 minute past the hour, between 09:00 and 17:59 (UTC)"),
        ("0,1 3-5 * * *", "UTC", "At 0 and 1 minutes past the hour, between 03:00 and 05:59 (UTC)"),
    ],
)
def test_it_is_told_in_words(expression: str, zone: str, words: str) -> None:
    assert cron(expression, zone).describe() == words


@pytest.mark.parametrize(
    ("expression", "zone", "said"),
    [
        ("30 2 * * *", "Europe/Berlin", "2027-03-28 02:30 does not exist in Europe/Berlin"),
        ("*/30 2 * * *", "Europe/Berlin", "2027-10-31 02:00 comes twice in Europe/Berlin"),
        ("0 0 31 * *", "UTC", "It does not fire in February, April, June, September, November: no day 31."),
        ("0 0 29 2 *", "UTC", "It fires in leap years only."),
        ("*/90 * * * *", "UTC", "The minute step */90 is longer than the minute range; it only matches 0."),
        ("*/25 * * * *", "UTC", "The minute step */25 starts again at 0"),
        ("0 0 13 * 5", "UTC", "it fires when either matches"),
    ],
)
def test_it_warns_of_what_may_surprise(expression: str, zone: str, said: str) -> None:
    assert any(said in text for text in cron(expression, zone).warnings())


@pytest.mark.parametrize(("expression", "zone"), [("0 9 * * 1-5", "Europe/Berlin"), ("0 * * * *", "Europe/Berlin")])
def test_it_does_not_warn_without_need(expression: str, zone: str) -> None:
    assert cron(expression, zone).warnings() == []


def test_the_fourteen_kinds_of_year_are_all_years() -> None:
    """A table knows every year when it knows 28 in a row."""
    kinds = {(date(year, 12, 31).timetuple().tm_yday, date(year, 1, 1).weekday()) for year in range(2000, 2028)}
    assert len(kinds) == 14
