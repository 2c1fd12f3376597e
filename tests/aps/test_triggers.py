"""APScheduler's trigger objects become our JSON, and come back with the same firings."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from scheduler_app.aps.triggers import from_spec, to_spec, zone_name
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import InvalidTrigger

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
START = datetime(2026, 2, 1, 9, 30, tzinfo=BERLIN)
TRIGGERS = [
    DateTrigger(START),
    IntervalTrigger(weeks=1, hours=5, seconds=3, start_date=START, timezone=BERLIN),
    IntervalTrigger(seconds=0.5, start_date=START, end_date=START + timedelta(days=1), timezone=BERLIN),
    CronTrigger(hour=9, day_of_week="mon-fri", timezone=BERLIN),
    CronTrigger(year="2026-2030", month="*/2", day="1,15", hour="8-10", minute=30, timezone=BERLIN),
    CronTrigger(minute="*/5", timezone="UTC", start_date=START, end_date=START + timedelta(days=300)),
    CalendarIntervalTrigger(months=1, days=2, hour=9, minute=5, start_date=START.date(), timezone=BERLIN),
    OrTrigger([CronTrigger(hour=3, timezone=BERLIN), CronTrigger(day=7, hour=4, timezone=BERLIN)]),
    AndTrigger([CronTrigger(hour="3", timezone=BERLIN), CronTrigger(day_of_week="sun", hour="*", timezone=BERLIN)]),
]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=repr)
def test_a_trigger_becomes_json_and_comes_back_of_its_class(trigger: BaseTrigger):
    spec = parse_trigger(to_spec(trigger), now=NOW).spec
    back = from_spec(spec, now=NOW)
    assert isinstance(back, type(trigger))
    assert to_spec(back) == spec


@pytest.mark.parametrize("trigger", TRIGGERS[:7], ids=repr)
def test_it_fires_when_apschedulers_own_would(trigger: BaseTrigger):
    back = from_spec(to_spec(trigger), now=NOW)
    ours = [back.get_next_fire_time(None, NOW)]
    while len(ours) < 8 and ours[-1] is not None:
        ours.append(back.get_next_fire_time(ours[-1], NOW))
    theirs = [trigger.get_next_fire_time(None, NOW)]
    while len(theirs) < 8 and theirs[-1] is not None:
        following = theirs[-1] + timedelta(microseconds=1)
        theirs.append(trigger.get_next_fire_time(theirs[-1], following))
    assert ours == theirs


def test_it_loses_no_firing_where_apschedulers_own_does():
    # the clocks of Berlin go forward on 2026-03-29 at 2:00
    daily = from_spec(to_spec(CronTrigger(hour=2, minute=30, timezone=BERLIN)), now=NOW)
    moment, days = datetime(2026, 3, 26, tzinfo=UTC), []
    for _ in range(5):
        moment = daily.get_next_fire_time(moment, moment)
        days.append(moment.astimezone(BERLIN).day)
    assert days == [26, 27, 28, 29, 30]


def test_jitter_goes_along():
    back = from_spec(to_spec(IntervalTrigger(minutes=5, jitter=30, start_date=START, timezone=BERLIN)), now=NOW)
    assert back.jitter == 30


def test_a_class_that_json_has_no_word_for_is_refused():
    class Never(BaseTrigger):
        def get_next_fire_time(self, previous_fire_time, now):
            return None

    with pytest.raises(InvalidTrigger, match="Never"):
        to_spec(Never())


def test_a_crontab_expression_shows_itself_in_words():
    back = from_spec({"type": "cron", "expression": "0 9 * * 1-5", "timezone": "Europe/Berlin"}, now=NOW)
    assert "09:00" in str(back)
    assert back.get_next_fire_time(None, NOW) == datetime(2026, 1, 2, 9, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (BERLIN, "Europe/Berlin"),
        (UTC, "UTC"),
        (timezone(timedelta(hours=5, minutes=30)), None),  # an offset is no zone
        (None, None),
    ],
)
def test_a_zone_is_known_by_its_name(zone, name):
    assert zone_name(zone) == name
