"""A test stands just before the clocks of a zone change, and sees a year of a trigger drawn."""

from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.cron import CronTrigger

from scheduler_app.domain.zone import find_zone
from scheduler_app.testing import Timeline
from scheduler_app.testing import simulate as importable

NIGHTLY = {"type": "cron", "expression": "30 2 * * *", "timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("zone", "spring", "autumn"),
    [
        ("Europe/Berlin", "2026-03-29T01:59:00+01:00", "2026-10-25T02:59:00+02:00"),
        ("America/New_York", "2026-03-08T01:59:00-05:00", "2026-11-01T01:59:00-04:00"),
        ("Australia/Lord_Howe", "2026-10-04T01:59:00+10:30", "2027-04-04T01:59:00+11:00"),
        ("America/Santiago", "2026-09-05T23:59:00-04:00", "2027-04-03T23:59:00-03:00"),
    ],
)
def test_the_clock_stands_a_minute_before_the_change(fake_clock, zone, spring, autumn):
    assert fake_clock.before_spring_gap(zone).isoformat() == spring
    assert fake_clock.now() == datetime.fromisoformat(spring)
    assert fake_clock.before_autumn_overlap(zone).isoformat() == autumn


def test_it_stands_as_long_before_as_one_says_and_at_the_next_change_after_one(fake_clock):
    assert fake_clock.before_spring_gap("Europe/Berlin", hours=3).isoformat() == "2026-03-28T23:00:00+01:00"
    assert fake_clock.before_spring_gap("Europe/Berlin", hours=3).isoformat() == "2026-03-28T23:00:00+01:00"
    assert fake_clock.before_spring_gap("Europe/Berlin", hours=4).isoformat() == "2027-03-27T22:00:00+01:00"


def test_what_fires_on_the_way_runs(scheduler, fake_clock, assert_ran):
    @scheduler.task
    def nothing() -> None: ...

    scheduler.add_job("nightly", nothing, trigger=NIGHTLY)
    fake_clock.before_spring_gap("Europe/Berlin")
    assert_ran(nothing, times=87)
    fake_clock.advance(minutes=2)
    assert_ran(nothing, times=88)
    assert_ran(nothing, at="2026-03-29T03:00:00+02:00")


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("Asia/Kolkata", "the clocks of Asia/Kolkata are not put forward from 2026-01-01 to 2038"),
        ("UTC", "the clocks of UTC are not put forward"),
        ("Europe/Berln", "'Europe/Berln' is no IANA zone like Europe/Berlin; did you mean 'Europe/Berlin'?"),
    ],
)
def test_a_zone_without_a_change_is_refused(fake_clock, zone, told):
    with pytest.raises(ValueError) as caught:
        fake_clock.before_spring_gap(zone)
    assert str(caught.value).startswith(told)
    assert fake_clock.now() == datetime(2026, 1, 1, tzinfo=UTC)


def test_what_is_due_next_is_told_and_not_run(scheduler, fake_clock, drain, refute_ran):
    @scheduler.task
    def nothing() -> None: ...

    assert fake_clock.next_due() is None
    scheduler.add_job("hourly", nothing, trigger="interval", hours=1)
    assert fake_clock.next_due() == fake_clock.now() + timedelta(hours=1)
    nothing.delay()
    assert fake_clock.next_due() == fake_clock.now()
    refute_ran(nothing)
    drain()
    assert fake_clock.travel_to(fake_clock.next_due()) == fake_clock.next_due() - timedelta(hours=1)
    scheduler.pause()
    assert fake_clock.next_due() is None


def test_a_year_is_told_and_counted(fake_clock, simulate):
    year = simulate({**NIGHTLY, "expression": "0 9 * * 1-5"})
    assert len(year) == 261
    assert year[0].isoformat() == "2026-01-01T09:00:00+01:00"
    assert [at.isoformat() for at in year[-2:]] == ["2026-12-30T09:00:00+01:00", "2026-12-31T09:00:00+01:00"]
    assert year.per_weekday == {"Mon": 52, "Tue": 52, "Wed": 52, "Thu": 53, "Fri": 52, "Sat": 0, "Sun": 0}
    assert year.per_hour == {9: 261}
    assert (year.shortest_gap, year.longest_gap) == (timedelta(days=1), timedelta(days=3, hours=1))


def test_it_prints_as_a_picture_with_what_becomes_of_the_changes_of_the_clock():
    week = importable(NIGHTLY, days=7, start="2026-03-27T00:00:00+01:00")
    assert repr(week).splitlines() == [
        "At 02:30 (Europe/Berlin): 7 firings from 2026-03-27 to 2026-04-03, Europe/Berlin",
        "       0     6     12    18    24",
        "  Mon  ··█·····················  1",
        "  Tue  ··█·····················  1",
        "  Wed  ··█·····················  1",
        "  Thu  ··█·····················  1",
        "  Fri  ··█·····················  1",
        "  Sat  ··█·····················  1",
        "  Sun  ···█····················  1",
        "  first Fri 2026-03-27 02:30:00 +0100, last Thu 2026-04-02 02:30:00 +0200",
        "  between two: 23:30:00 at least, 1 day, 0:00:00 at most",
        "  Sun 2026-03-29: the clocks are put forward, 02:00 → 03:00; fires once that day: 03:00",
    ]


def test_any_trigger_may_be_given(fake_clock, simulate):
    zone = find_zone("Europe/Berlin")
    for given in (NIGHTLY, CronTrigger(hour=2, minute=30, timezone=zone)):
        assert [f"{at:%H:%M}" for at in simulate(given, days=2)] == ["02:30", "02:30"]
    assert [f"{at:%H:%M %Z}" for at in simulate("0 */6 * * *", days=1)] == [
        "06:00 UTC",
        "12:00 UTC",
        "18:00 UTC",
        "00:00 UTC",
    ]
    with pytest.raises(TypeError, match="simulate takes a trigger"):
        simulate(5)


def test_a_job_is_told_from_its_next_time_on_and_runs_nothing(scheduler, fake_clock, simulate, refute_ran):
    @scheduler.task
    def nothing() -> None: ...

    job = scheduler.add_job("hourly", nothing, trigger="interval", hours=1)
    handle = nothing.every(hours=1, id="other")
    for given in (job, "hourly", job.record, handle):
        told = simulate(given, days=1)
        assert isinstance(told, Timeline)
        assert (len(told), told[0]) == (24, fake_clock.now() + timedelta(hours=1))
    assert "job hourly, Every hour" in repr(simulate("hourly", days=1))
    scheduler.pause_job("hourly")
    assert len(simulate("hourly", days=1)) == 0
    assert "(paused)" in repr(simulate("hourly", days=1))
    refute_ran(nothing)


def test_it_agrees_with_what_runs(scheduler, fake_clock, simulate, assert_ran):
    @scheduler.task
    def nothing() -> None: ...

    scheduler.add_job("odd", nothing, trigger="cron", day="last fri", hour="9,18", timezone="America/New_York")
    told = simulate("odd", days=200)
    fake_clock.advance(days=200)
    assert [run.scheduled_at for run in assert_ran(nothing)] == list(told.utc)
