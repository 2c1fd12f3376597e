"""Pauses that end by themselves, skipped firings, and the pause of everything: each firing is accounted for once."""

from datetime import timedelta

import pytest

from scheduler_app.domain.job import JobState
from scheduler_app.errors import Conflict, InvalidInput
from scheduler_app.services import jobs
from scheduler_app.services import scheduler as scheduling
from scheduler_app.services.changes import JobChanges
from scheduler_app.testing.clock import START


def minute(number: float):
    return START + timedelta(minutes=number)


@pytest.fixture
def ctx(scheduler):
    return scheduler.core.ctx


@pytest.fixture
def minutely(scheduler, fake_clock, nothing):
    return scheduler.add_job("job", nothing, trigger="interval", minutes=1)


def test_a_pause_with_until_ends_by_itself_and_the_firing_at_that_time_runs(minutely, fake_clock, watch, ctx):
    job = jobs.pause_job("job", reason="holiday", until=minute(4), ctx=ctx)
    assert (job.state, job.reason, job.paused_until) == (JobState.PAUSED, "holiday", minute(4))
    fake_clock.advance(minutes=3)
    assert watch.story("job") == []
    fake_clock.advance(minutes=2)
    assert watch.story("job") == ["missed @1-3 x3 paused", "succeeded @4", "succeeded @5"]
    assert (watch.job("job").state, watch.job("job").reason, watch.job("job").paused_until) == (
        JobState.ACTIVE,
        None,
        None,
    )


def test_a_pause_that_ends_while_no_engine_is_there_ends_at_its_time_all_the_same(minutely, fake_clock, watch, ctx):
    jobs.pause_job("job", reason=None, until=minute(3.5), ctx=ctx)
    fake_clock.jump(minutes=6)
    assert watch.story("job") == ["missed @1-3 x3 paused", "missed @4-5 x2 coalesced", "succeeded @6"]


def test_a_resume_by_hand_after_the_time_is_no_different(minutely, fake_clock, watch, ctx):
    jobs.pause_job("job", reason=None, until=minute(3.5), ctx=ctx)
    fake_clock._set(minute(6))
    jobs.resume_job("job", ctx=ctx)
    fake_clock.run_due()
    assert watch.story("job") == ["missed @1-3 x3 paused", "missed @4-5 x2 coalesced", "succeeded @6"]


def test_a_resume_by_hand_before_the_time_ends_the_pause(minutely, fake_clock, watch, ctx):
    jobs.pause_job("job", reason=None, until=minute(30), ctx=ctx)
    fake_clock.advance(minutes=2)
    jobs.resume_job("job", ctx=ctx)
    fake_clock.advance(minutes=1)
    assert watch.story("job") == ["missed @1-2 x2 paused", "succeeded @3"]
    fake_clock.advance(minutes=30)
    assert watch.job("job").version == 3, "nothing happens at the time any more"


def test_pausing_again_changes_what_is_given_and_nothing_else(minutely, ctx):
    jobs.pause_job("job", reason="one", until=minute(5), ctx=ctx)
    again = jobs.pause_job("job", reason="two", ctx=ctx)
    assert (again.reason, again.paused_until) == ("two", minute(5))
    same = jobs.pause_job("job", reason=None, ctx=ctx)
    assert same == again
    assert jobs.pause_job("job", reason=None, until=minute(9), ctx=ctx).paused_until == minute(9)


def test_a_pause_until_a_time_that_is_past_is_refused(minutely, ctx):
    with pytest.raises(InvalidInput, match="in the future") as refusal:
        jobs.pause_job("job", reason=None, until=START, ctx=ctx)
    assert [fault.pointer for fault in refusal.value.faults] == ["/until"]


def test_a_job_whose_last_firing_lies_in_the_pause_is_finished_when_it_ends(scheduler, fake_clock, watch, ctx, nothing):
    scheduler.add_job("date", nothing, trigger="date", run_date="2026-01-01T00:01:00Z")
    jobs.pause_job("date", reason=None, until=minute(5), ctx=ctx)
    fake_clock.advance(minutes=6)
    assert watch.story("date") == ["missed @1-1 x1 paused"]
    assert watch.job("date").state is JobState.FINISHED


def test_a_new_trigger_of_a_paused_job_leaves_the_firings_of_the_old_one_recorded(minutely, fake_clock, watch, ctx):
    jobs.pause_job("job", reason=None, ctx=ctx)
    fake_clock.advance(minutes=3)
    jobs.change_job("job", JobChanges(fields={"trigger": {"type": "interval", "minutes": 2}}, policies={}), ctx=ctx)
    fake_clock.advance(minutes=5)
    jobs.resume_job("job", ctx=ctx)
    assert watch.story("job") == ["missed @1-3 x3 paused", "missed @5-7 x2 paused"]


def test_a_delete_of_a_paused_job_leaves_its_firings_recorded(minutely, fake_clock, watch, ctx):
    jobs.pause_job("job", reason=None, ctx=ctx)
    fake_clock.advance(minutes=3)
    jobs.delete_job("job", ctx=ctx)
    assert watch.story("job") == ["missed @1-3 x3 paused"]


def test_the_next_firings_are_skipped_as_many_as_asked_for(minutely, fake_clock, watch, ctx):
    assert jobs.skip_firings("job", 2, ctx=ctx).skip_count == 2
    fake_clock.advance(minutes=3)
    assert watch.story("job") == ["skipped @1 requested", "skipped @2 requested", "succeeded @3"]
    assert watch.job("job").skip_count == 0


def test_a_count_is_set_and_not_added_and_zero_clears_it(minutely, fake_clock, watch, ctx):
    jobs.skip_firings("job", 5, ctx=ctx)
    jobs.skip_firings("job", 1, ctx=ctx)
    fake_clock.advance(minutes=2)
    jobs.skip_firings("job", 5, ctx=ctx)
    jobs.skip_firings("job", 0, ctx=ctx)
    fake_clock.advance(minutes=1)
    assert watch.story("job") == ["skipped @1 requested", "succeeded @2", "succeeded @3"]


def test_of_late_firings_the_oldest_are_the_skipped_ones(minutely, fake_clock, watch, ctx):
    jobs.skip_firings("job", 2, ctx=ctx)
    fake_clock.jump(minutes=6)
    assert watch.story("job") == [
        "skipped @1 requested",
        "skipped @2 requested",
        "missed @3-5 x3 coalesced",
        "succeeded @6",
    ]


def test_what_a_pause_holds_back_uses_up_no_skip(minutely, fake_clock, watch, ctx):
    jobs.skip_firings("job", 1, ctx=ctx)
    jobs.pause_job("job", reason=None, until=minute(3), ctx=ctx)
    fake_clock.advance(minutes=4)
    assert watch.story("job") == ["missed @1-2 x2 paused", "skipped @3 requested", "succeeded @4"]


def test_skipping_the_only_firing_finishes_the_job(scheduler, fake_clock, watch, ctx, nothing):
    scheduler.add_job("date", nothing, trigger="date", run_date="2026-01-01T00:01:00Z")
    jobs.skip_firings("date", 3, ctx=ctx)
    fake_clock.advance(minutes=2)
    assert watch.story("date") == ["skipped @1 requested"]
    assert watch.job("date").state is JobState.FINISHED
    with pytest.raises(Conflict, match="finished"):
        jobs.skip_firings("date", 1, ctx=ctx)


def test_each_job_gets_its_own_range_of_the_global_pause(scheduler, fake_clock, watch, ctx, nothing, minutely):
    scheduler.add_job("slower", nothing, trigger="interval", minutes=2)
    scheduler.add_job("later", nothing, trigger="interval", hours=1)
    fake_clock.advance(minutes=2)
    scheduling.pause_scheduler(reason=None, ctx=ctx)
    fake_clock.advance(minutes=4)
    scheduling.resume_scheduler(ctx=ctx)
    fake_clock.advance(minutes=2)
    assert watch.story("job")[2:] == ["missed @3-6 x4 paused", "succeeded @7", "succeeded @8"]
    assert watch.story("slower")[1:] == ["missed @4-6 x2 paused", "succeeded @8"]
    assert watch.story("later") == []


def test_what_was_due_before_the_global_pause_and_had_not_fired_is_late_and_not_paused(
    minutely, fake_clock, watch, ctx
):
    fake_clock._set(minute(2))
    scheduling.pause_scheduler(reason=None, ctx=ctx)
    fake_clock._set(minute(5))
    scheduling.resume_scheduler(ctx=ctx)
    fake_clock.run_due()
    assert watch.story("job") == ["missed @1-1 x1 coalesced", "succeeded @2", "missed @3-5 x3 paused"]


@pytest.mark.parametrize("change", ["patch", "delete", "pause"])
def test_nothing_fires_in_the_global_pause_when_a_job_is_changed(minutely, fake_clock, watch, ctx, change):
    scheduling.pause_scheduler(reason=None, ctx=ctx)
    fake_clock._set(minute(3))
    if change == "patch":
        jobs.change_job("job", JobChanges(fields={}, policies={"priority": 1}), ctx=ctx)
    elif change == "delete":
        jobs.delete_job("job", ctx=ctx)
    else:
        jobs.pause_job("job", reason=None, ctx=ctx)
    scheduling.resume_scheduler(ctx=ctx)
    fake_clock.run_due()
    assert watch.story("job") == ["missed @1-3 x3 paused"]


def test_a_job_pause_that_ends_within_the_global_pause_is_one_range_with_it(minutely, fake_clock, watch, ctx):
    jobs.pause_job("job", reason=None, until=minute(2.5), ctx=ctx)
    scheduling.pause_scheduler(reason=None, ctx=ctx)
    fake_clock.advance(minutes=5)
    scheduling.resume_scheduler(ctx=ctx)
    fake_clock.advance(minutes=1)
    paused = [line for line in watch.story("job") if line.endswith("paused")]
    assert paused == ["missed @1-2 x2 paused", "missed @3-5 x3 paused"]
    assert watch.story("job")[-1] == "succeeded @6"


def test_a_job_that_stays_paused_is_left_alone_by_the_end_of_the_global_pause(minutely, fake_clock, watch, ctx):
    jobs.pause_job("job", reason=None, until=minute(7), ctx=ctx)
    scheduling.pause_scheduler(reason=None, ctx=ctx)
    fake_clock.advance(minutes=5)
    scheduling.resume_scheduler(ctx=ctx)
    fake_clock.advance(minutes=2)
    assert watch.story("job") == ["missed @1-6 x6 paused", "succeeded @7"]


def test_a_broken_job_does_not_keep_the_global_pause_from_ending(scheduler, minutely, fake_clock, watch, ctx):
    scheduler.core.database.write(
        lambda tx: tx.exec_driver_sql('UPDATE scheduler_jobs SET trigger = \'{"type": "interval"}\'')
    )
    scheduling.pause_scheduler(reason=None, ctx=ctx)
    fake_clock.advance(minutes=2)
    scheduling.resume_scheduler(ctx=ctx)
    assert scheduling.view_scheduler(ctx=ctx).paused is None
    assert watch.job("job").state is JobState.BROKEN
