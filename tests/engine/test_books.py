"""The books: what is kept of the ends of runs agrees with the runs, whatever ends them, and is mended where not."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduler_app.domain.policy import Overlap
from scheduler_app.domain.retention import Retention
from scheduler_app.domain.run import Reason, RunState
from scheduler_app.engine.bookkeeper import LOOK_EVERY, Bookkeeper
from scheduler_app.engine.pruner import Pruner
from scheduler_app.services import jobs, outlooks, runs, stats
from scheduler_app.services.audit import audit
from scheduler_app.store import engines, filling, rescues, tracks
from scheduler_app.store.endings import Ending, note
from scheduler_app.store.identity import Identity
from scheduler_app.store.tables import engines as engine_table
from scheduler_app.store.tables import job_stats, rollups
from scheduler_app.store.tables import runs as run_table
from scheduler_app.testing.clock import START
from tests.clocks import SettableClock


@pytest.fixture
def ctx(scheduler):
    return scheduler.core.ctx


@pytest.fixture
def fails(scheduler):
    @scheduler.task
    def fails() -> None:
        raise ValueError

    return fails


@pytest.fixture
def counted(ctx, fake_clock):
    """How many of each state were counted, by hour and by minute."""

    def counted() -> dict[str, int]:
        found = []
        for step in ("hour", "minute"):
            total = dict.fromkeys(map(str, RunState), 0)
            for bucket in stats.buckets(START, fake_clock.now() + timedelta(minutes=1), step, ctx=ctx):
                for state, number in bucket.counts.items():
                    total[state] += number
            found.append({state: number for state, number in total.items() if number})
        assert found[0] == found[1]
        return found[0]

    return counted


@pytest.fixture
def sound(ctx, fake_clock):
    """Whether the books were judged, and are right."""

    def sound() -> list[str]:
        with ctx.database.read() as tx:
            found = audit(tx, fake_clock.now())
        assert found.books is None
        return [breach.found for breach in found.breaches]

    return sound


def change(ctx, statement) -> None:
    ctx.database.write(lambda tx: tx.execute(statement))


def test_every_end_is_in_the_books(scheduler, fake_clock, ctx, counted, sound, nothing, fails):
    scheduler.add_job("well", nothing, trigger="interval", minutes=1)
    scheduler.add_job("ill", fails, trigger="interval", minutes=1, max_retries=1, retry_delay=1, retry_jitter=0)
    fake_clock.advance(minutes=3, seconds=10)
    assert counted() == {"succeeded": 3, "failed": 3}
    fake_clock.jump(minutes=3)
    fake_clock.run_due()
    jobs.skip_firings("well", 1, ctx=ctx)
    jobs.delete_job("ill", ctx=ctx)
    fake_clock.advance(minutes=1)
    assert counted() == {"succeeded": 4, "failed": 3, "cancelled": 1, "missed": 4, "skipped": 1}
    assert sound() == []


def test_what_gives_way_to_a_firing_or_is_cancelled_is_in_the_books(scheduler, fake_clock, ctx, counted, sound):
    @scheduler.task
    def blocks() -> None:
        fake_clock.run_due()

    scheduler.add_job("one", blocks, trigger="interval", hours=1)
    waiting = jobs.run_job("one", ctx=ctx)
    runs.cancel_run(waiting.id, ctx=ctx)
    policies = {"overlap": Overlap.CANCEL_RUNNING, "concurrency_key": "key"}
    scheduler.add_job("two", blocks, trigger="interval", minutes=1, **policies)
    change(ctx, run_table.insert().values(_row(ctx, "one", state="running", concurrency_key="key")))
    fake_clock.advance(minutes=3)
    assert counted() == {"cancelled": 3}
    ctx.database.write(lambda tx: rescues.take_over(tx, 99, now=fake_clock.now(), reason=Reason.CRASHED))
    assert counted() == {"cancelled": 3, "lost": 1}
    assert sound() == []


def _row(ctx, job_id: str, **values):
    job = jobs.get_job(job_id, ctx=ctx)
    row = {"job_key": job.key, "job_id": job.id, "task": job.task, "args": "[]", "kwargs": "{}", "origin": "manual"}
    row |= {"scheduled_at": 0, "ready_at": 0, "max_attempts": 1, "attempt": 1, "priority": 0, "executor": "thread"}
    return row | {"delivery": "at_most_once", "engine": 99, "token": 1, "started_at": 0, "queued_at": 0} | values


def test_what_is_undone_is_not_in_the_books(ctx, counted, nothing, scheduler):
    nothing.delay()
    ending = Ending(None, 1, RunState.FAILED, 0, 0, 10**6 * int(START.timestamp()))

    def undone(tx: sa.Connection) -> None:
        note(tx, [ending])
        raise ValueError

    with pytest.raises(ValueError):
        ctx.database.write(undone)
    ctx.rehearsing().database.write(lambda tx: note(tx, [ending]))
    assert counted() == {}


def test_a_firing_that_was_recorded_already_is_not_counted_twice(scheduler, fake_clock, ctx, counted, sound, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1, misfire_grace_time=1)
    fake_clock.jump(minutes=1, seconds=30)
    fake_clock.run_due()
    change(ctx, sa.text("UPDATE scheduler_jobs SET next_run_time = next_run_time - 60000000"))
    fake_clock.run_due()
    assert counted() == {"missed": 1}
    assert sound() == []


def test_what_is_pruned_stays_counted(scheduler, fake_clock, ctx, counted, sound, nothing):
    core = scheduler.core
    retention = Retention(runs_per_job=2)
    core.engine.pruner = Pruner(ctx.database, ctx.clock, ctx.bus, retention=retention, engine_id=lambda: core.engine.id)
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=30)
    with ctx.database.read() as tx:
        assert tx.execute(sa.select(sa.func.count()).select_from(run_table)).scalar_one() < 10
    assert counted() == {"succeeded": 30}
    key = jobs.get_job("job", ctx=ctx).key
    assert len(stats.of_jobs([key], ctx=ctx)[key].strip) == 30
    assert sound() == []


def test_minutes_are_kept_two_days_and_hours_four_hundred(scheduler, fake_clock, ctx, nothing):
    scheduler.add_job("job", nothing, trigger="interval", days=100)
    now = int(fake_clock.now().timestamp())
    for age in (timedelta(days=401), timedelta(days=399), timedelta(hours=50), timedelta(hours=46)):
        at = (now - int(age.total_seconds())) * 10**6
        ctx.database.write(lambda tx, at=at: note(tx, [Ending(None, 1, "succeeded", at, at, at)]))
    fake_clock.jump(hours=1)
    with ctx.database.read() as tx:
        kept = tx.execute(sa.select(rollups.c.step, sa.func.count()).group_by(rollups.c.step)).all()
    assert sorted(map(tuple, kept)) == [("hour", 3), ("minute", 1)]


def test_a_track_is_the_last_ninety_and_what_took_before_if_they_failed(scheduler, fake_clock, ctx):
    outcomes = iter([True] * 100 + [False] * 88 + [True])

    @scheduler.task
    def sometimes() -> None:
        if not next(outcomes):
            raise ValueError
        fake_clock.jump(seconds=2)

    scheduler.add_job("job", sometimes, trigger="interval", minutes=1)
    fake_clock.advance(minutes=189)
    key = jobs.get_job("job", ctx=ctx).key
    told = stats.of_jobs([key], ctx=ctx)[key]
    assert (len(told.strip), told.succeeded, told.failed) == (90, 2, 88)
    assert (told.usual, told.trend, told.failures_in_a_row) == (2.0, None, 0)
    assert [mark.run_id for mark in told.strip] == list(range(100, 190))


def test_ids_are_told_beyond_what_a_mark_holds():
    track = tracks.Track()
    first = 2**40 - 50
    for number in range(100):
        track.add(Ending(1, first + number, "succeeded", number * 10**6, number * 10**6, (number + 1) * 10**6))
    assert [mark.run_id for mark in track.strip()] == [first + number for number in range(10, 100)]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (rollups.update().where(rollups.c.step == "hour").values(count=rollups.c.count + 1), "counts 4 runs"),
        (rollups.delete().where(rollups.c.step == "minute"), "counts 0 runs"),
        (job_stats.update().values(marks=b""), "is not in the track"),
        (run_table.update().where(run_table.c.id == 3).values(state="cancelled"), "counts 0 runs that are cancelled"),
    ],
)
def test_an_audit_tells_what_is_wrong(scheduler, fake_clock, ctx, sound, nothing, damage, found):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=3)
    if found == "counts 0 runs":
        damage = damage.where(rollups.c.at == sa.select(sa.func.max(rollups.c.at)).scalar_subquery())
    change(ctx, damage)
    assert any(found in what for what in sound())


def test_what_older_code_ended_is_counted_once_it_is_gone(scheduler, fake_clock, ctx, counted, sound, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=3)
    identity, now = Identity.of_this_process().values(), fake_clock.now()
    older = ctx.database.write(lambda tx: engines.register(tx, identity, tasks=(), slots=1, now=now))
    change(ctx, engine_table.update().where(engine_table.c.id == older).values(books=None))
    change(ctx, run_table.insert().values(_ended(ctx, fake_clock.now())))
    with ctx.database.read() as tx:
        assert "not in them yet" in str(audit(tx, fake_clock.now()).books)
    assert not ctx.database.write(lambda tx: filling.step(tx, fake_clock.now())), "as long as it lives"

    change(ctx, engine_table.update().where(engine_table.c.id == older).values(state="stopped"))
    fake_clock.jump(seconds=1)
    scheduler.core.engine.bookkeeper.finish()
    assert counted() == {"succeeded": 3, "failed": 1}
    assert sound() == []
    key = jobs.get_job("job", ctx=ctx).key
    assert stats.of_jobs([key], ctx=ctx)[key].failed == 1


def _ended(ctx, now):
    micros = int(now.timestamp() * 10**6)
    values = {"state": "failed", "error_type": "E", "error_message": "", "error_traceback": "", "finished_at": micros}
    return _row(ctx, "job", started_at=micros - 10**6, scheduled_at=micros - 10**6, **values)


@pytest.mark.slow
def test_the_bookkeeper_reckons_what_is_planned_when_jobs_have_changed(scheduler, fake_clock, ctx, nothing):
    bookkeeper = scheduler.core.engine.bookkeeper
    scheduler.add_job("often", nothing, trigger="cron", expression="* * * * * *", seconds=True, timezone="UTC")
    fake_clock.run_due()
    bookkeeper.finish()
    scheduler.add_job("seldom", nothing, trigger="interval", minutes=30)
    assert outlooks.week(START, ctx=ctx)[1].firings == 3600
    bookkeeper.finish()
    planned = outlooks.week(START, ctx=ctx)
    assert [plan.firings for plan in planned[1:4]] == [3602, 3602, 3602]
    scheduler.pause_job("often")
    bookkeeper.finish()
    assert outlooks.week(START, ctx=ctx)[167].firings == 2


class Ticking(SettableClock):
    """A clock of which each look takes a millisecond."""

    def monotonic(self) -> float:
        self.advance(0.001)
        return super().monotonic()


def test_the_bookkeeper_lets_go_of_the_interpreter_after_each_job_that_takes_long(scheduler, fake_clock, ctx, nothing):
    for number in range(3):
        scheduler.add_job(f"often-{number}", nothing, trigger="interval", minutes=1)
    fake_clock.run_due()
    bookkeeper = Bookkeeper(ctx.database, Ticking(fake_clock.now()), engine_id=lambda: scheduler.core.engine.id)
    rests = [bookkeeper.poll() for _ in range(6)]
    assert rests[-1] == LOOK_EVERY
    assert all(0 < rest < 0.1 for rest in rests[:-1]), rests
    assert outlooks.week(START, ctx=ctx)[1].firings == 180


def test_what_waits_is_sampled_by_the_minute(scheduler, fake_clock, ctx, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.run_due()
    change(ctx, sa.text("UPDATE scheduler_jobs SET next_run_time = next_run_time - 120000000"))
    scheduler.core.engine.bookkeeper.finish()
    (pulse,) = stats.pulse(START, fake_clock.now() + timedelta(minutes=1), ctx=ctx)
    assert (pulse.backlog, pulse.overdue, pulse.fired) == (0, 1, 0)
    assert stats.punctuality(fake_clock.now(), ctx=ctx) == stats.Punctuality(fired=0, overdue=1)
    fake_clock.run_due()
    told = stats.punctuality(fake_clock.now(), ctx=ctx)
    assert (told.fired, told.due) == (1, 1)


def test_a_deleted_job_leaves_no_track(scheduler, fake_clock, ctx, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=2)
    jobs.delete_job("job", ctx=ctx)
    with ctx.database.read() as tx:
        assert tx.execute(sa.select(job_stats)).all() == []
