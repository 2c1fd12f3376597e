"""How often a job fires in an hour, by arithmetic: the same as by walking."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler_app.clock import MICROSECOND
from scheduler_app.domain.load import per_hour
from scheduler_app.domain.schedule import count_by_walking
from scheduler_app.domain.trigger import Trigger, parse_trigger

START = datetime(2026, 3, 27, 22, 30, tzinfo=UTC)


def trigger_of(**spec: object) -> Trigger:
    return parse_trigger(spec, now=START)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"])
@pytest.mark.parametrize("expression", ["* * * * *", "*/7 3-9 * * *", "5,35 */2 1-15 * *", "30 2 * * *"])
def test_cron_is_counted_as_if_it_were_walked(expression: str, zone: str) -> None:
    trigger = trigger_of(type="cron", expression=expression, timezone=zone)
    moment = START
    for hours in (1, 5, 30, 60, 100):
        first = trigger.after(moment)
        assert first is not None
        until = first + timedelta(hours=hours) - MICROSECOND
        assert trigger.schedule.count(first, until) == count_by_walking(trigger.after, first, until)
        moment = until


def test_what_fires_every_second_is_told_by_the_hour() -> None:
    trigger = trigger_of(type="cron", expression="* * * * * *", seconds=True, timezone="UTC")
    found = list(per_hour(trigger, START, START + timedelta(hours=3)))
    assert [number for _, number in found] == [1800, 3600, 3600, 1800]
