"""Forty schedules as real crontabs have them, with the times that Debian's cron gives, across clock changes."""

from datetime import UTC, datetime

import pytest

from scheduler_app.domain.due import preview
from scheduler_app.domain.trigger import admit_trigger

BERLIN, NEW_YORK, LONDON, SYDNEY = "Europe/Berlin", "America/New_York", "Europe/London", "Australia/Sydney"

# expression, zone, begin (UTC), the next times (UTC)
REAL = [
    # every minute, through the hour that Berlin skips
    ("* * * * *", BERLIN, "2026-03-29T00:58", ["03-29T00:59", "03-29T01:00", "03-29T01:01"]),
    ("*/5 * * * *", "UTC", "2026-02-28T23:52", ["02-28T23:55", "03-01T00:00"]),
    ("*/15 * * * *", NEW_YORK, "2026-11-01T05:40", ["11-01T05:45", "11-01T06:00", "11-01T06:15"]),
    ("*/10 8-18 * * 1-5", BERLIN, "2026-10-23T16:45", ["10-23T16:50", "10-26T07:00"]),
    # hourly jobs keep to real hours: the hour that comes twice counts twice
    ("0 * * * *", BERLIN, "2026-10-24T23:30", ["10-25T00:00", "10-25T01:00", "10-25T02:00"]),
    ("17 * * * *", LONDON, "2026-03-29T00:00", ["03-29T00:17", "03-29T01:17", "03-29T02:17"]),
    ("25 */2 * * *", "Asia/Kolkata", "2026-05-01T00:00", ["05-01T00:55", "05-01T02:55"]),
    ("@hourly", SYDNEY, "2026-10-03T15:30", ["10-03T16:00", "10-03T17:00"]),
    # nightly work, also in the night of the change: once, right after the gap
    ("30 2 * * *", BERLIN, "2026-03-28T02:00", ["03-29T01:00", "03-30T00:30"]),
    ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["10-25T00:30", "10-26T01:30"]),
    ("30 1 * * *", LONDON, "2026-10-24T12:00", ["10-25T00:30", "10-26T01:30"]),
    ("0 2 * * *", NEW_YORK, "2026-03-07T12:00", ["03-08T07:00", "03-09T06:00"]),
    ("0 3 * * *", BERLIN, "2026-03-28T12:00", ["03-29T01:00", "03-30T01:00"]),
    ("15 0 * * *", "America/Havana", "2026-03-07T12:00", ["03-08T05:00", "03-09T04:15"]),
    ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", ["11-04T03:00", "11-05T02:00"]),
    ("@daily", "Asia/Beirut", "2026-03-28T12:00", ["03-28T22:00", "03-29T21:00"]),
    ("@midnight", "UTC", "2026-12-30T12:00", ["12-31T00:00", "01-01T00:00"]),
    ("5 4 * * *", "Australia/Lord_Howe", "2026-10-02T18:00", ["10-03T17:05", "10-04T17:05"]),
    # office hours
    ("0 9 * * 1-5", BERLIN, "2026-03-27T12:00", ["03-30T07:00", "03-31T07:00"]),
    ("0 9 * * MON-FRI", NEW_YORK, "2026-10-30T14:00", ["11-02T14:00", "11-03T14:00"]),
    ("0 9,13,17 * * 1-5", LONDON, "2026-03-27T16:00", ["03-27T17:00", "03-30T08:00", "03-30T12:00"]),
    ("30 8 * * 1", "Asia/Tokyo", "2026-05-01T00:00", ["05-03T23:30", "05-10T23:30"]),
    ("0 18 * * 5", BERLIN, "2026-10-20T00:00", ["10-23T16:00", "10-30T17:00"]),
    ("0,30 9-17 * * 1-5", "UTC", "2026-05-01T17:10", ["05-01T17:30", "05-04T09:00"]),
    # weekly: 0 and 7 are Sunday
    ("0 4 * * 0", "UTC", "2026-05-01T00:00", ["05-03T04:00", "05-10T04:00"]),
    ("47 6 * * 7", BERLIN, "2026-03-25T00:00", ["03-29T04:47", "04-05T04:47"]),
    ("@weekly", "UTC", "2026-05-01T00:00", ["05-03T00:00", "05-10T00:00"]),
    ("0 22 * * sun,wed", "UTC", "2026-05-01T00:00", ["05-03T22:00", "05-06T22:00"]),
    # monthly, and the two day fields, of which either is enough
    ("52 6 1 * *", BERLIN, "2026-03-15T00:00", ["04-01T04:52", "05-01T04:52"]),
    ("0 0 1,15 * *", "UTC", "2026-01-20T00:00", ["02-01T00:00", "02-15T00:00"]),
    ("0 0 1 * 1", "UTC", "2026-05-28T00:00", ["06-01T00:00", "06-08T00:00"]),
    ("57 0 * * 0", "UTC", "2026-05-01T00:00", ["05-03T00:57", "05-10T00:57"]),
    ("0 12 L * *", "UTC", "2028-02-01T00:00", ["02-29T12:00", "03-31T12:00"]),
    ("0 9 * * 1#1", BERLIN, "2026-03-15T00:00", ["04-06T07:00", "05-04T07:00"]),
    ("@monthly", NEW_YORK, "2026-03-02T00:00", ["04-01T04:00", "05-01T04:00"]),
    # quarters, years
    ("0 6 1 1,4,7,10 *", "UTC", "2026-02-01T00:00", ["04-01T06:00", "07-01T06:00"]),
    ("0 6 1 */3 *", BERLIN, "2026-08-01T00:00", ["10-01T04:00", "01-01T05:00"]),
    ("0 0 25 dec *", "Pacific/Auckland", "2026-12-01T00:00", ["12-24T11:00", "12-24T11:00"]),
    ("@yearly", "UTC", "2026-05-01T00:00", ["01-01T00:00", "01-01T00:00"]),
    ("0 0 29 2 *", "UTC", "2026-05-01T00:00", ["02-29T00:00", "02-29T00:00"]),
    # Debian's own: sessions are cleaned at 9 and 39 minutes past each hour
    ("09,39 * * * *", "UTC", "2026-05-01T00:00", ["05-01T00:09", "05-01T00:39"]),
    ("5-55/10 * * * *", "Asia/Kathmandu", "2026-05-01T00:00", ["05-01T00:10", "05-01T00:20"]),
]


def test_there_are_forty_and_more() -> None:
    assert len({(expression, zone, begin) for expression, zone, begin, _ in REAL}) >= 40


@pytest.mark.parametrize(("expression", "zone", "begin", "expected"), REAL)
def test_a_real_crontab_line_fires_when_debian_does(
    expression: str, zone: str, begin: str, expected: list[str]
) -> None:
    moment = datetime.fromisoformat(begin).replace(tzinfo=UTC)
    trigger = admit_trigger({"type": "cron", "expression": expression, "timezone": zone}, now=moment)
    found = preview(trigger, moment, len(expected))
    assert [f"{firing:%m-%dT%H:%M}" for firing in found] == expected
    assert all(trigger.at_or_before(firing) == firing for firing in found)
    assert trigger.describe()
