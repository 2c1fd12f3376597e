"""Firing: what is due runs, what is late is judged, nothing is skipped in silence."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduler_app.domain.job import JobState
from scheduler_app.services import jobs, planning
from scheduler_app.services import scheduler as scheduling
from scheduler_app.services.changes import JobChanges
from scheduler_app.store.tables import jobs as job_table
from scheduler_app.testing.clock import START


def test_an_interval_fires_first_one_interval_after_it_was_added(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=10)
    fake_clock.advance(minutes=35)
    assert watch.story("job") == ["succeeded @10", "succeeded @20", "succeeded @30"]
    assert watch.job("job").next_run_time == START + timedelta(minutes=40)


def test_a_date_job_fires_once_and_is_finished_then(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="date", run_date="2026-01-01T00:05:00Z")
    fake_clock.advance(minutes=4)
    assert watch.job("job").state is JobState.ACTIVE
    fake_clock.advance(minutes=2)
    assert watch.story("job") == ["succeeded @5"]
    assert watch.job("job").state is JobState.FINISHED


def test_a_date_in_the_past_runs_at_once(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="date", run_date="2025-12-31T23:55:00Z")
    fake_clock.run_due()
    assert watch.story("job") == ["succeeded @-5"]


def test_a_cron_job_fires_at_its_times_in_its_zone(scheduler, fake_clock, watch, nothing):
    trigger = {"type": "cron", "expression": "30 6 * * *", "timezone": "Europe/Berlin"}
    scheduler.add_job("job", nothing, trigger=trigger)
    fake_clock.advance(days=2)
    assert watch.story("job") == ["succeeded @330", "succeeded @1770"]


def test_of_several_late_firings_the_latest_runs_and_the_others_are_one_missed_range(
    scheduler, fake_clock, watch, nothing
):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.jump(minutes=10, seconds=30)
    assert watch.story("job") == ["missed @1-9 x9 coalesced", "succeeded @10"]
    fake_clock.advance(minutes=1)
    assert watch.story("job")[-1] == "succeeded @11", "the next time comes from the old one, not from now"


def test_a_firing_later_than_its_grace_is_recorded_as_missed(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1, misfire_grace_time=10)
    fake_clock.jump(minutes=1, seconds=11)
    assert watch.story("job") == ["missed @1-1 x1 misfire_grace_time"]
    fake_clock.jump(minutes=3)
    assert watch.story("job")[1:] == ["missed @2-4 x3 misfire_grace_time"]
    fake_clock.advance(minutes=1)
    assert watch.story("job")[2:] == ["succeeded @5"]


def test_a_firing_just_within_its_grace_runs(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1, misfire_grace_time=10)
    fake_clock.jump(minutes=1, seconds=10)
    assert watch.story("job") == ["succeeded @1"]


def test_a_date_job_that_is_missed_is_finished(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="date", run_date="2026-01-01T00:01:00Z", misfire_grace_time=1)
    fake_clock.jump(minutes=5)
    assert watch.story("job") == ["missed @1-1 x1 misfire_grace_time"]
    assert watch.job("job").state is JobState.FINISHED


def test_more_than_ten_thousand_missed_firings_are_not_counted(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="cron", expression="* * * * * *", seconds=True, timezone="UTC")
    fake_clock.jump(days=1)
    (missed, latest) = watch.runs("job")
    assert missed.missed.count is None
    assert latest.scheduled_at == START + timedelta(days=1)


def test_what_a_paused_job_would_have_fired_is_one_missed_range(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=2)
    scheduler.pause_job("job")
    fake_clock.advance(minutes=3)
    assert watch.story("job") == ["succeeded @1", "succeeded @2"]
    scheduler.resume_job("job")
    fake_clock.advance(minutes=1)
    assert watch.story("job")[2:] == ["missed @3-5 x3 paused", "succeeded @6"]


def test_what_was_due_when_a_job_is_paused_still_runs(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock._set(START + timedelta(minutes=1, seconds=5))
    scheduler.pause_job("job")
    fake_clock.run_due()
    assert watch.story("job") == ["succeeded @1"]


def test_the_global_pause_stops_firing_and_its_time_is_one_missed_range(scheduler, fake_clock, watch, nothing):
    ctx = scheduler.core.ctx
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    scheduling.pause_scheduler(reason="a test", ctx=ctx)
    fake_clock.advance(minutes=3)
    assert watch.story("job") == []
    scheduling.resume_scheduler(ctx=ctx)
    fake_clock.advance(minutes=1)
    assert watch.story("job") == ["missed @1-3 x3 paused", "succeeded @4"]


def test_a_date_job_whose_time_passed_in_a_pause_is_finished_by_the_resume(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="date", run_date="2026-01-01T00:01:00Z")
    scheduler.pause_job("job")
    fake_clock.advance(minutes=3)
    assert scheduler.resume_job("job").state is JobState.FINISHED


def test_a_change_of_the_trigger_takes_no_firing_away(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock._set(START + timedelta(minutes=2, seconds=30))
    changes = JobChanges(fields={"trigger": {"type": "interval", "hours": 1}}, policies={})
    jobs.change_job("job", changes, ctx=scheduler.core.ctx)
    fake_clock.run_due()
    assert watch.story("job") == ["missed @1-1 x1 coalesced", "succeeded @2"]
    assert watch.job("job").next_run_time == START + timedelta(minutes=62, seconds=30)


def test_a_trigger_that_cannot_be_computed_breaks_its_own_job_and_no_other(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("good", nothing, trigger="interval", minutes=1)
    scheduler.add_job("bad", nothing, trigger="interval", minutes=1)
    wrong = sa.update(job_table).where(job_table.c.id == "bad").values(trigger='{"type": "interval", "minutes": -5}')
    scheduler.core.database.write(lambda tx: tx.execute(wrong))
    fake_clock.advance(minutes=1)
    assert watch.story("good") == ["succeeded @1"]
    broken = watch.job("bad")
    assert broken.state is JobState.BROKEN
    assert "minutes" in (broken.reason or "")


def test_a_clock_that_is_set_back_fires_no_slot_twice(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=3)
    fake_clock._set(START + timedelta(minutes=1))
    fake_clock.advance(minutes=3)
    assert watch.story("job") == [f"succeeded @{minute}" for minute in (1, 2, 3, 4)]


EVERY_3_MINUTES = {"type": "interval", "minutes": 3}


def test_what_was_done_since_the_last_pass_is_seen_by_the_next(scheduler, fake_clock, watch, nothing):
    """A pass begins with what the last one saw ahead, and that may have changed."""
    for job_id in ("fired", "deleted", "changed", "stays"):
        scheduler.add_job(job_id, nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=1)
    database, ctx = scheduler.core.database, scheduler.core.ctx
    database.write(lambda tx: planning.catch_up(tx, watch.job("fired"), START + timedelta(minutes=2)))
    scheduler.remove_job("deleted")
    jobs.change_job("changed", JobChanges(fields={"trigger": EVERY_3_MINUTES}, policies={}), ctx=ctx)
    fake_clock.advance(minutes=3)
    assert watch.story("fired") == watch.story("stays") == [f"succeeded @{minute}" for minute in (1, 2, 3, 4)]
    assert watch.story("deleted") == ["succeeded @1"]
    assert watch.story("changed") == ["succeeded @1", "succeeded @4"]


def test_firing_does_not_need_the_task_to_be_known(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    del scheduler.registry._tasks["nothing"]
    fake_clock.advance(minutes=1)
    assert watch.story("job") == ["queued @1"]
    scheduler.registry.add(nothing.task)
    fake_clock.run_due()
    assert watch.story("job") == ["succeeded @1"]


@pytest.mark.parametrize(
    "damage",
    [
        {"tags": "not json"},
        {"overrides": '{"no_such_policy": 1}'},
        {"overlap": "nonsense"},
        {"kwargs": ""},
        {"trigger": "{"},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_a_job_whose_row_cannot_be_read_is_kept_and_shown_as_broken(scheduler, fake_clock, watch, nothing, damage):
    scheduler.add_job("good", nothing, trigger="interval", minutes=1)
    scheduler.add_job("bad", nothing, trigger="interval", minutes=1)
    damaged = sa.update(job_table).where(job_table.c.id == "bad").values(**damage)
    scheduler.core.database.write(lambda tx: tx.execute(damaged))
    fake_clock.advance(minutes=2)
    assert watch.story("good") == ["succeeded @1", "succeeded @2"]
    broken = watch.job("bad")
    assert broken.state is JobState.BROKEN
    assert "cannot be" in (broken.reason or "")
