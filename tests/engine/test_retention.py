"""Retention: old runs go by state, age and number, with all that hangs on them; what is still needed stays."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduler_app import current_run
from scheduler_app.domain.retention import Retention
from scheduler_app.domain.run import RunState
from scheduler_app.engine.pruner import Pruner
from scheduler_app.errors import NotFound
from scheduler_app.extension.core import retention_of
from scheduler_app.services import jobs, runs
from scheduler_app.settings import Settings
from scheduler_app.store import idempotency, pruning
from scheduler_app.store.tables import idempotency as answers
from scheduler_app.store.tables import job_tags, logs
from scheduler_app.store.tables import jobs as job_table
from scheduler_app.store.tables import runs as run_table
from scheduler_app.testing.clock import START


@pytest.fixture
def keeping(scheduler):
    """Set how long history is kept, from now on: days by state, and runs of a job."""

    def keeping(runs_per_job: int | None = None, retention: Retention | None = None, **days: float) -> None:
        core = scheduler.core
        ages = {RunState(state): timedelta(days=number) for state, number in days.items()}
        retention = retention or Retention(ages=ages, runs_per_job=runs_per_job)
        ctx = core.ctx
        core.engine.pruner = Pruner(
            ctx.database, ctx.clock, ctx.bus, retention=retention, engine_id=lambda: core.engine.id
        )

    return keeping


def count(scheduler, table) -> int:
    with scheduler.core.database.read() as tx:
        return tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_by_default_success_is_kept_a_week_and_everything_else_a_month(scheduler, fake_clock, nothing, keeping):
    keeping(retention=retention_of(Settings()))

    @scheduler.task
    def fails() -> None:
        raise ValueError

    nothing.delay()
    fails.delay()
    fake_clock.advance(days=6, hours=23)
    assert count(scheduler, run_table) == 2
    fake_clock.advance(hours=2)
    assert count(scheduler, run_table) == 1
    fake_clock.advance(days=22)
    assert count(scheduler, run_table) == 1
    fake_clock.advance(days=2)
    assert (count(scheduler, run_table), count(scheduler, job_table)) == (0, 0)


def test_a_finished_job_goes_with_its_last_run_its_tags_and_its_log(scheduler, fake_clock, watch, keeping):
    @scheduler.task
    def prints() -> None:
        print("hello")

    keeping(succeeded=1)
    scheduler.add_job("once", prints, trigger="date", run_date="2026-01-01T00:05:00Z", tags=["a", "b"])
    fake_clock.advance(hours=1)
    assert count(scheduler, logs) == 1
    fake_clock.advance(days=1, hours=3)
    with pytest.raises(NotFound):
        watch.job("once")
    assert [count(scheduler, table) for table in (run_table, logs, job_tags, job_table)] == [0, 0, 0, 0]


def test_a_finished_job_stays_as_long_as_one_of_its_runs(scheduler, fake_clock, watch, nothing, keeping):
    keeping(succeeded=2)
    scheduler.add_job("once", nothing, trigger="date", run_date="2026-01-01T00:05:00Z")
    fake_clock.advance(days=1)
    scheduler.run_job("once")
    fake_clock.advance(days=1, hours=12)
    assert [run.origin for run in watch.runs("once")] == ["manual"]
    fake_clock.advance(days=1)
    with pytest.raises(NotFound):
        watch.job("once")


def test_the_newest_firing_of_a_job_that_can_fire_again_stays(scheduler, fake_clock, watch, nothing, keeping):
    keeping(succeeded=1)
    scheduler.add_job("yearly", nothing, trigger="cron", expression="0 0 2 1 *", timezone="UTC")
    scheduler.add_job("daily", nothing, trigger="cron", expression="0 0 * * *", timezone="UTC")
    fake_clock.advance(days=1, hours=1)
    scheduler.run_job("yearly")
    fake_clock.advance(days=99)
    assert watch.story("yearly") == ["succeeded @1440"]
    assert watch.story("daily") == ["succeeded @144000"]
    scheduler.pause_job("daily")
    fake_clock.advance(days=30)
    assert watch.story("daily") == ["succeeded @144000"]


def test_the_newest_firing_of_a_broken_job_stays_since_it_may_be_mended(scheduler, fake_clock, watch, nothing, keeping):
    keeping(succeeded=1)
    scheduler.add_job("job", nothing, trigger="interval", minutes=1, end_date="2026-01-01T00:03:00Z")
    fake_clock.advance(minutes=2)
    wrong = sa.update(job_table).values(trigger='{"type": "interval", "minutes": -5}')
    scheduler.core.database.write(lambda tx: tx.execute(wrong))
    fake_clock.advance(days=3)
    assert watch.story("job") == ["succeeded @2"]


def test_a_run_that_waits_is_never_pruned_however_old(scheduler, fake_clock, watch, nothing, keeping):
    keeping(1, succeeded=1, failed=1)
    scheduler.add_job("job", nothing, trigger="date", run_date="2026-01-01T00:05:00Z")
    other = sa.update(job_table).values(task="of another engine")
    scheduler.core.database.write(lambda tx: tx.execute(other))
    fake_clock.advance(days=9)
    assert watch.story("job") == ["queued @5"]


def test_a_run_that_executes_is_never_pruned_however_long(scheduler, fake_clock, keeping):
    keeping(1, **dict.fromkeys([state.value for state in pruning.FINAL_STATES], 0.1))

    @scheduler.task
    def slow() -> int:
        current_run.sleep(86_400)
        return current_run.id

    run = slow.delay()
    fake_clock.run_due()
    assert run.run.state == "succeeded"


def test_only_the_newest_runs_of_a_job_are_kept(scheduler, fake_clock, watch, nothing, keeping):
    keeping(3)
    scheduler.add_job("often", nothing, trigger="interval", minutes=1)
    scheduler.add_job("seldom", nothing, trigger="interval", minutes=3)
    fake_clock.advance(minutes=10)
    assert watch.story("often") == ["succeeded @8", "succeeded @9", "succeeded @10"]
    assert watch.story("seldom") == ["succeeded @3", "succeeded @6", "succeeded @9"]


def test_a_run_that_was_open_when_there_were_too_many_goes_later(scheduler, fake_clock, watch, nothing, keeping):
    keeping(2)
    scheduler.add_job("job", nothing, trigger="interval", weeks=9)
    for _ in range(5):
        jobs.run_job("job", ctx=scheduler.core.ctx)
    fake_clock.run_due()
    fake_clock.advance(hours=2)
    assert len(watch.runs("job")) == 2


def test_the_history_of_a_deleted_job_goes_too(scheduler, fake_clock, watch, nothing, keeping):
    keeping(succeeded=1)
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=3)
    scheduler.remove_job("job")
    assert len(watch.runs("job")) == 3
    fake_clock.advance(days=2)
    assert watch.runs("job") == []


def test_states_without_an_age_are_kept_for_ever(scheduler, fake_clock, watch, nothing, keeping):
    keeping(failed=1)
    nothing.delay()
    fake_clock.advance(days=3650)
    assert count(scheduler, run_table) == 1


def test_a_run_with_a_time_of_the_future_does_not_stop_the_pruning(scheduler, fake_clock, nothing, keeping):
    keeping(succeeded=1)
    nothing.delay()
    strange = sa.update(run_table).values(scheduled_at=run_table.c.scheduled_at + 10**15)
    scheduler.core.database.write(lambda tx: tx.execute(strange))
    for _ in range(3):
        nothing.delay()
    fake_clock.advance(days=3)
    assert count(scheduler, run_table) == 0


def test_the_job_knows_up_to_when_its_firings_were_pruned(scheduler, fake_clock, nothing, keeping):
    keeping(succeeded=1, missed=1)
    scheduler.add_job("job", nothing, trigger="interval", hours=1)
    fake_clock.jump(hours=10)
    fake_clock.advance(days=1, minutes=5)
    with scheduler.core.database.read() as tx:
        until = tx.execute(sa.select(job_table.c.pruned_until)).scalar_one()
    assert until == (START + timedelta(hours=10)).timestamp() * 1_000_000


def test_many_runs_go_in_batches_of_a_hundred_and_of_four_mebibytes_of_logs(scheduler, fake_clock, nothing):
    for _ in range(150):
        nothing.delay()
    fake_clock.run_due()
    database = scheduler.core.database
    chunk = {"start": 0, "attempt": 1, "text": b"", "size": 1024 * 1024}
    heavy = [chunk | {"run_id": run_id} for run_id in range(1, 11)]
    database.write(lambda tx: tx.execute(logs.insert(), heavy))
    with database.read() as tx:
        batches = pruning.batches(tx, range(1, 151))
    assert [len(batch) for batch in batches] == [4, 4, 100, 42]


def test_only_the_oldest_live_engine_prunes(scheduler, fake_clock, nothing, keeping):
    keeping(succeeded=1)
    nothing.delay()
    fake_clock.run_due()
    pruner, core = scheduler.core.engine.pruner, scheduler.core
    younger = Pruner(
        core.database, core.clock, core.ctx.bus, retention=Retention(ages={}, runs_per_job=1), engine_id=lambda: 7
    )
    fake_clock._set(START + timedelta(days=2))
    assert younger.poll() == 10.0 or younger._sweep is None
    assert count(scheduler, run_table) == 1
    pruner.finish_sweep()
    assert count(scheduler, run_table) == 0


def test_a_firing_that_became_the_newest_meanwhile_is_not_deleted(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=2)
    pruned = scheduler.core.database.write(lambda tx: pruning.prune(tx, [1, 2, 999]))
    assert pruned == pruning.Pruned(runs=1, jobs=0)
    assert watch.story("job") == ["succeeded @2"]
    assert scheduler.core.database.write(lambda tx: pruning.prune(tx, [1])).runs == 0


def test_pruning_rests_between_its_steps(scheduler, fake_clock, nothing, keeping):
    keeping(succeeded=1)
    pruner = scheduler.core.engine.pruner
    assert pruner.poll() == pytest.approx(10.0), "not at the moment of the start"
    retention = Retention(ages={RunState.FAILED: timedelta(seconds=50)}, runs_per_job=100)
    assert retention.rest == timedelta(seconds=5)
    assert replace(retention, ages={}).rest == timedelta(seconds=100)
    assert Retention().rest == timedelta(hours=1)


def test_a_listing_goes_on_while_runs_are_pruned(scheduler, fake_clock, watch, nothing, keeping):
    keeping(5)
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=30)
    with pytest.raises(NotFound):
        runs.get_run(1, ctx=scheduler.core.ctx)
    assert watch.job("job").last_run.state == "succeeded"


def test_answers_kept_for_an_idempotency_key_are_forgotten_after_a_day(scheduler, fake_clock, keeping):
    keeping()
    kept = idempotency.KeptAnswer(status=201, headers={}, body=b"{}")

    def keep(number: int) -> None:
        call = idempotency.KeyedCall(api_key=1, key=str(number), fingerprint="x")
        scheduler.core.database.write(lambda tx: idempotency.keep(tx, call, kept, fake_clock.now()))

    for number in range(150):
        keep(number)
    fake_clock.advance(hours=20)
    keep(150)
    fake_clock.advance(hours=3)
    assert count(scheduler, answers) == 151
    fake_clock.advance(hours=2)
    assert count(scheduler, answers) == 1
