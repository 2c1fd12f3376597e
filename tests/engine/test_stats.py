"""Numbers behind the pictures: what ended how, what is usual for a job, how late jobs fire."""

from datetime import timedelta

import pytest

from scheduler_app.domain.run import RunState
from scheduler_app.services import outlooks, stats
from scheduler_app.testing.clock import START


@pytest.fixture
def ctx(scheduler):
    return scheduler.core.ctx


def stats_of(ctx, watch, job_id: str) -> stats.JobStats:
    key = watch.job(job_id).key
    return stats.of_jobs([key], ctx=ctx)[key]


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_what_ended_is_counted_by_minute_and_hour_and_state(scheduler, fake_clock, ctx, nothing):
    @scheduler.task
    def fails() -> None:
        raise ValueError

    scheduler.add_job("job", nothing, trigger="interval", minutes=20)
    fake_clock.advance(minutes=70)
    fails.delay()
    fake_clock.advance(minutes=1)

    hours = stats.buckets(START, START + minutes(120), "hour", ctx=ctx)
    assert [bucket.at for bucket in hours] == [START, START + minutes(60)]
    assert [bucket.counts["succeeded"] for bucket in hours] == [2, 1]
    assert [bucket.counts["failed"] for bucket in hours] == [0, 1]
    by_minute = stats.buckets(START, START + minutes(61), "minute", ctx=ctx)
    assert [n for n, bucket in enumerate(by_minute) if bucket.counts["succeeded"]] == [20, 40, 60]
    assert set(hours[0].counts) == {str(state) for state in RunState} - {"scheduled", "queued", "running"}


def test_of_a_missed_range_its_firings_are_counted(scheduler, fake_clock, ctx, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.jump(minutes=10, seconds=30)
    assert stats.buckets(START, START + minutes(60), "hour", ctx=ctx)[0].counts["missed"] == 9


def test_a_day_is_the_last_24_hours_and_the_24_before(scheduler, fake_clock, ctx, nothing):
    scheduler.add_job("job", nothing, trigger="interval", hours=6, start_date="2026-01-01T03:30:00Z")
    fake_clock.advance(hours=45)
    told = stats.day(fake_clock.now(), ctx=ctx)
    assert (told.last.succeeded, told.before.succeeded) == (4, 3)
    assert (told.last.success, told.last.failed) == (1.0, 0)


def test_usual_needs_five_runs_that_succeeded(scheduler, fake_clock, ctx, watch):
    took = iter([3, 1, 2, 9, 4])

    @scheduler.task
    def takes() -> None:
        fake_clock.jump(seconds=next(took))

    scheduler.add_job("job", takes, trigger="interval", minutes=1)
    fake_clock.advance(minutes=4, seconds=30)
    assert stats_of(ctx, watch, "job").usual is None
    fake_clock.advance(minutes=1)
    told = stats_of(ctx, watch, "job")
    assert (told.usual, told.p95, told.succeeded, told.trend) == (3, 9, 5, None)
    assert [mark.duration for mark in told.strip] == [3, 1, 2, 9, 4]


def test_failures_in_a_row_are_counted_since_the_first(scheduler, fake_clock, ctx, watch):
    outcomes = iter([True, False, True, False, False])

    @scheduler.task
    def sometimes() -> None:
        if not next(outcomes):
            raise ValueError

    scheduler.add_job("job", sometimes, trigger="interval", minutes=1)
    fake_clock.advance(minutes=5)
    told = stats_of(ctx, watch, "job")
    assert (told.succeeded, told.failed, told.failures_in_a_row) == (2, 3, 2)
    assert (told.failing_since, told.last_failure) == (START + minutes(4), START + minutes(5))
    assert told.last_success == START + minutes(3)
    assert [str(mark.state) for mark in told.strip] == ["succeeded", "failed", "succeeded", "failed", "failed"]


def test_lag_is_how_late_the_jobs_of_the_last_five_minutes_fired(scheduler, fake_clock, ctx, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    assert stats.lag(ctx=ctx) == stats.Lag(p95=None, max=None)
    fake_clock.jump(seconds=62)
    fake_clock.run_due()
    assert stats.lag(ctx=ctx).max == pytest.approx(2, rel=0.1)
    fake_clock.advance(minutes=6)
    assert stats.lag(ctx=ctx).max == pytest.approx(0, abs=0.01)


def test_a_week_is_168_hours_of_what_is_planned(scheduler, fake_clock, ctx, nothing):
    scheduler.add_job("hourly", nothing, trigger="interval", minutes=20)
    scheduler.add_job("daily", nothing, trigger={"type": "cron", "expression": "0 9 * * *", "timezone": "UTC"})
    planned = outlooks.week(START, ctx=ctx)
    assert len(planned) == 168
    assert [plan.firings for plan in planned[:10]] == [2, 3, 3, 3, 3, 3, 3, 3, 3, 4]
    assert sum(plan.firings for plan in planned) == 168 * 3 - 1 + 7


def test_a_timeline_has_what_ran_what_runs_and_what_is_planned(scheduler, fake_clock, ctx, watch):
    @scheduler.task
    def takes() -> None:
        fake_clock.jump(seconds=30)

    for job in "abcdef":
        scheduler.add_job(job, takes, trigger="interval", minutes=10)
    fake_clock.advance(minutes=15)
    told = outlooks.timeline(START, START + minutes(25), limit=10, ctx=ctx)
    assert [row.job.id for row in told.rows] == list("abcdef")
    first = told.rows[0]
    assert [(bar.state, bar.end - bar.begin) for bar in first.bars] == [("succeeded", timedelta(seconds=30))]
    assert [planned.at for planned in first.planned] == [START + minutes(20)]
    assert [(hit.at, hit.firings) for hit in told.collisions] == [(START + minutes(20), 6)]
    assert told.complete
    assert not outlooks.timeline(START, START + minutes(25), limit=2, ctx=ctx).complete


def test_runs_that_nobody_could_tell_apart_are_one_bar_in_the_worst_state_of_them(scheduler, fake_clock, ctx):
    outcomes = iter([True, False, True, True])

    @scheduler.task
    def sometimes() -> None:
        if not next(outcomes):
            raise ValueError

    scheduler.add_job("job", sometimes, trigger="interval", minutes=1)
    fake_clock.advance(minutes=4)
    (row,) = outlooks.timeline(START, START + minutes(10), limit=10, ctx=ctx).rows
    assert [(bar.state, bar.count) for bar in row.bars] == [
        ("succeeded", 1),
        ("failed", 1),
        ("succeeded", 1),
        ("succeeded", 1),
    ]
    (row,) = outlooks.timeline(START, START + timedelta(days=2), limit=10, ctx=ctx).rows
    assert [(bar.state, bar.count, bar.run_id) for bar in row.bars] == [("failed", 4, 4)]
    assert len(row.planned) == 60


def test_a_span_that_is_past_has_what_ran_in_it_and_one_to_come_what_will(scheduler, fake_clock, ctx):
    @scheduler.task
    def takes() -> None:
        fake_clock.jump(minutes=30)

    scheduler.add_job("job", takes, trigger="interval", hours=1)
    fake_clock.advance(hours=5)
    (row,) = outlooks.timeline(START + minutes(70), START + minutes(130), limit=10, ctx=ctx).rows
    assert [bar.begin for bar in row.bars] == [START + minutes(60), START + minutes(120)]
    assert row.planned == ()
    (row,) = outlooks.timeline(START + timedelta(days=3), START + timedelta(days=3, hours=2), limit=10, ctx=ctx).rows
    assert [planned.at for planned in row.planned] == [START + timedelta(days=3, hours=number) for number in (0, 1)]
