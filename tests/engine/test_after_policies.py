"""What a job that comes after another one makes of an end: its policies hold for that as for any firing."""

from datetime import timedelta

import pytest

from scheduler_app import current_run
from scheduler_app.domain.job import JobState
from scheduler_app.domain.run import Reason, RunState
from scheduler_app.services import jobs
from scheduler_app.services import scheduler as scheduling
from scheduler_app.services.changes import JobChanges
from scheduler_app.store import following, tables
from scheduler_app.store.following import End
from scheduler_app.testing.clock import START


@pytest.fixture
def ctx(scheduler):
    return scheduler.core.ctx


@pytest.fixture
def extract(scheduler, nothing):
    """A job that does nothing each minute."""
    return scheduler.add_job("extract", nothing, trigger="interval", minutes=1)


def test_missed_and_skipped_firings_of_the_parent_fire_nothing(scheduler, fake_clock, watch, ctx, extract, nothing):
    scheduler.add_job("child", nothing, trigger="after", job="extract", on="finish")
    jobs.skip_firings("extract", 1, ctx=ctx)
    fake_clock.jump(minutes=4)
    assert watch.story("extract") == ["skipped @1 requested", "missed @2-3 x2 coalesced", "succeeded @4"]
    assert watch.story("child") == ["succeeded @4"]


def test_the_skips_of_the_follower_are_counted_end_by_end(scheduler, fake_clock, watch, ctx, extract, nothing):
    scheduler.add_job("child", nothing, trigger="after", job="extract")
    jobs.skip_firings("child", 2, ctx=ctx)
    fake_clock.advance(minutes=3)
    assert watch.story("child") == ["skipped @1 requested", "skipped @2 requested", "succeeded @3"]
    assert watch.job("child").skip_count == 0


def test_a_paused_follower_records_each_end_with_the_run_that_it_was(
    scheduler, fake_clock, watch, ctx, extract, nothing
):
    scheduler.add_job("child", nothing, trigger="after", job="extract")
    jobs.pause_job("child", reason=None, until=START + timedelta(minutes=3), ctx=ctx)
    fake_clock.advance(minutes=4)
    assert watch.story("child") == ["missed @1-1 x1 paused", "missed @2-2 x1 paused", "succeeded @3", "succeeded @4"]
    assert [run.parent for run in watch.runs("child")] == [run.id for run in watch.runs("extract")]
    jobs.pause_job("child", reason=None, ctx=ctx)
    fake_clock.advance(minutes=1)
    jobs.resume_job("child", ctx=ctx)
    fake_clock.advance(minutes=1)
    assert watch.story("child")[4:] == ["missed @5-5 x1 paused", "succeeded @6"]
    assert watch.job("child").state is JobState.ACTIVE


def test_in_the_global_pause_what_still_runs_ends_and_fires_nothing(scheduler, fake_clock, watch, ctx, nothing):
    @scheduler.task
    def pausing() -> None:
        scheduling.pause_scheduler(reason=None, ctx=ctx)
        current_run.sleep(60)

    scheduler.add_job("parent", pausing, trigger="interval", minutes=1)
    scheduler.add_job("child", nothing, trigger="after", job="parent")
    fake_clock.advance(minutes=3)
    assert watch.story("child") == ["missed @2-2 x1 paused"]
    scheduling.resume_scheduler(ctx=ctx)
    assert watch.story("child") == ["missed @2-2 x1 paused"]


def test_an_end_that_could_not_be_settled_in_time_is_too_late_by_the_follower_s_grace(
    scheduler, fake_clock, watch, nothing
):
    scheduler.add_job("parent", nothing, trigger="interval", days=400)
    scheduler.add_job("strict", nothing, trigger="after", job="parent", misfire_grace_time=60)
    scheduler.add_job("patient", nothing, trigger="after", job="parent")
    now = fake_clock.now()
    ends = [
        End(run=number, job_id="parent", state=RunState.SUCCEEDED, at=now - timedelta(seconds=ago))
        for number, ago in ((1, 61), (2, 60))
    ]
    scheduler.core.database.write(lambda tx: following.follow(tx, ends, now))
    assert [(run.state, run.reason) for run in watch.runs("strict")] == [("missed", Reason.GRACE), ("queued", None)]
    assert [run.state for run in watch.runs("patient")] == ["queued", "scheduled"]


# what a follower does with three ends while its first run has not started
OVERLAPS = {
    "queue_one": ["queued", "scheduled blocked", "skipped overlap"],
    "queue_all": ["queued", "scheduled blocked", "scheduled blocked"],
    "skip": ["queued", "skipped overlap", "skipped overlap"],
    "cancel_running": ["cancelled overlap", "cancelled overlap", "queued"],
}


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_a_follower_that_is_busy_does_what_its_overlap_says(scheduler, fake_clock, watch, nothing, overlap):
    scheduler.add_job("parent", nothing, trigger="interval", days=400)
    scheduler.add_job("child", nothing, trigger="after", job="parent", overlap=overlap)
    now = fake_clock.now()
    ends = [End(run=number, job_id="parent", state=RunState.SUCCEEDED, at=now) for number in (1, 2, 3)]
    scheduler.core.database.write(lambda tx: following.follow(tx, ends, now))
    told = [f"{run.state} {run.reason or ''}".strip() for run in watch.runs("child")]
    assert told == OVERLAPS[overlap]


def test_a_follower_with_its_parent_s_key_starts_when_the_parent_has_ended(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("parent", nothing, trigger="interval", minutes=1, concurrency_key="lock", priority=5)
    scheduler.add_job("child", nothing, trigger="after", job="parent", concurrency_key="lock")
    fake_clock.advance(minutes=2)
    assert watch.story("child") == ["succeeded @1", "succeeded @2"]


def test_a_follower_whose_row_cannot_be_read_is_broken_and_each_end_is_recorded(
    scheduler, fake_clock, watch, extract, nothing
):
    scheduler.add_job("child", nothing, trigger="after", job="extract")
    damaged = tables.jobs.update().where(tables.jobs.c.id == "child").values(args="no json")
    scheduler.core.database.write(lambda tx: tx.execute(damaged))
    fake_clock.advance(minutes=2)
    assert watch.story("child") == ["missed @1-1 x1 broken", "missed @2-2 x1 broken"]
    assert watch.job("child").state is JobState.BROKEN
    jobs.change_job("child", JobChanges(fields={"args": []}, policies={}), ctx=scheduler.core.ctx)
    fake_clock.advance(minutes=1)
    assert watch.story("child")[2:] == ["succeeded @3"]


def test_a_follower_whose_trigger_was_damaged_is_broken_and_keeps_no_end_from_being_written(
    scheduler, fake_clock, watch, extract, nothing
):
    scheduler.add_job("child", nothing, trigger="after", job="extract")
    damaged = tables.jobs.update().where(tables.jobs.c.id == "child").values(trigger='{"type": "after"}')
    scheduler.core.database.write(lambda tx: tx.execute(damaged))
    fake_clock.advance(minutes=2)
    assert watch.story("extract") == ["succeeded @1", "succeeded @2"]
    assert watch.story("child") == []
    assert watch.job("child").state is JobState.BROKEN


# what a text can be written to is SQLite's own: other databases refuse it
DAMAGES = [{"skip_count": "'x'"}, {"paused_until": "'x'", "state": "'paused'"}, {"state": "'asleep'"}, {"tags": "'{'"}]


@pytest.mark.sqlite
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: next(iter(damage)))
def test_whatever_is_damaged_in_a_follower_s_row_each_end_is_written_and_recorded(
    scheduler, fake_clock, watch, extract, nothing, damage
):
    scheduler.add_job("child", nothing, trigger="after", job="extract")
    values = ", ".join(f"{column} = {value}" for column, value in damage.items())
    scheduler.core.database.write(
        lambda tx: tx.exec_driver_sql(f"UPDATE scheduler_jobs SET {values} WHERE id = 'child'")
    )
    fake_clock.advance(minutes=2)
    assert watch.story("extract") == ["succeeded @1", "succeeded @2"]
    assert watch.story("child") == ["missed @1-1 x1 broken", "missed @2-2 x1 broken"]
    assert watch.job("child").state is JobState.BROKEN
