"""Daylight saving time comes and goes in three zones while the machine's clock is set forward and back by an hour."""

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from scheduler_app import current_run
from scheduler_app.services.audit import audit
from scheduler_app.testing.clock import FakeClock
from tests.faults.forms import SEED, form
from tests.seeds import mostly_slow

# where the change comes, in UTC, and by how much: https://data.iana.org/time-zones/tzdb/
CHANGES = {
    "Berlin, spring": ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    "Berlin, autumn": ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    "New York, spring": ("America/New_York", "2026-03-08T07:00:00Z"),
    "New York, autumn": ("America/New_York", "2026-11-01T06:00:00Z"),
    "Lord Howe, spring, by half an hour": ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    "Lord Howe, autumn, by half an hour": ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
}
HOUR = timedelta(hours=1)


def triggers(zone: str) -> dict[str, dict[str, object]]:
    return {
        "hourly": {"type": "cron", "expression": "15 * * * *", "timezone": zone},
        "quarters": {"type": "cron", "expression": "*/15 * * * *", "timezone": zone},
        "nightly": {"type": "cron", "expression": "15 2 * * *", "timezone": zone},
        "fields": {"type": "cron", "hour": "1-3", "minute": "45", "timezone": zone},
        "daily": {"type": "calendarinterval", "days": 1, "hour": 2, "minute": 10, "timezone": zone},
        "interval": {"type": "interval", "minutes": 20, "timezone": zone},
    }


def set_clock(clock: FakeClock, delta: timedelta) -> None:
    """Set the wall clock as a person would: the monotonic one goes on as it was."""
    clock._now += delta
    clock._traveller.move_to(clock._now)


@pytest.mark.parametrize("change", mostly_slow(CHANGES, fast=2))
def test_nothing_fires_twice_or_is_lost_when_both_clocks_change(scheduler, fake_clock, change):
    zone, at = CHANGES[change]
    luck = random.Random(f"{SEED} {change}")
    print(f"CHAOS_SEED={SEED}")
    begun = []

    @scheduler.task
    def begin() -> None:
        begun.append((current_run.job_id, current_run.scheduled_at))

    fake_clock.travel_to(datetime.fromisoformat(at) - 12 * HOUR)
    for name, trigger in triggers(zone).items():
        scheduler.add_job(name, begin, trigger=trigger, coalesce=False, overlap="queue_all")
    for _ in range(form(12, 60)):
        step = luck.choice([HOUR, -HOUR, timedelta()])
        set_clock(fake_clock, step)
        fake_clock.run_due()
        fake_clock.advance(timedelta(minutes=luck.randint(1, 300)))
        set_clock(fake_clock, -step)
        fake_clock.run_due()
    assert fake_clock.now() > datetime.fromisoformat(at)
    assert {job for job, _ in begun} == set(triggers(zone))
    assert max(Counter(begun).values()) == 1
    with scheduler.core.database.read() as tx:
        assert [breach.found for breach in audit(tx, fake_clock.now()).breaches] == []
