"""The engine of a Celery process: it executes what a message asks for if that is still wanted, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from scheduler_app.broker.guest import HOLD, GuestEngine
from scheduler_app.broker.publisher import store_id
from scheduler_app.errors import ConfigurationError, StoreUnavailable
from scheduler_app.extension.core import Core
from scheduler_app.store import claims, outbox
from scheduler_app.store.outbox import Message
from tests.broker import celery_functions

pytestmark = pytest.mark.databases


@pytest.fixture
def guest(scheduler, clock) -> Iterator[GuestEngine]:
    core: Core = scheduler.core
    engine = core.distribution.guest(replace(core.engine.ctx, clock=clock))
    yield engine
    engine.stop()


@pytest.fixture
def attend(scheduler, guest, clock):
    """Deliver a message for an attempt of a run, some time after the one before."""
    store = scheduler.core.database.write(store_id)

    def deliver(run, attempt: int = 1, *, store: str = store, after: float = 1.0) -> None:
        clock.step(after)
        guest.attend(Message(run_id=run.id, task="", attempt=attempt, timeout=None), store)

    return deliver


def test_it_executes_the_run_and_its_end_is_in_the_store_when_it_returns(add, attend):
    run = add.delay(1, b=2)
    attend(run)
    assert (run.state, run.result, run.run.executor) == ("succeeded", 3, "celery")


def test_a_message_that_comes_twice_is_acted_on_once(scheduler, add, attend):
    run = scheduler.task(executor="celery")(celery_functions.count).delay()
    attend(run)
    attend(run)
    assert (run.state, celery_functions.CALLS) == ("succeeded", ["count"])


def test_a_failure_is_retried_as_another_attempt(scheduler, clock, add, attend):
    flaky = scheduler.task(executor="celery", max_retries=1, retry_delay=1, retry_jitter=0)(celery_functions.flaky)
    run = flaky.delay()
    attend(run)
    assert run.state == "scheduled"
    clock.step(2)
    core = scheduler.core
    core.database.write(lambda tx: claims.promote(tx, clock.now()))
    attend(run, 1)
    assert run.state == "queued"
    attend(run, 2)
    assert (run.state, run.result) == ("succeeded", "the second time")


def test_while_message_follows_message_an_end_is_settled_with_the_next_claim(scheduler, guest, add, attend):
    runs = [add.delay(number) for number in range(4)]
    attend(runs[0])
    commits = scheduler.core.database.commits
    for run in runs[1:]:
        attend(run, after=0.001)
    assert [run.state for run in runs] == ["succeeded", "succeeded", "succeeded", "running"]
    assert scheduler.core.database.commits == commits + 3


def test_an_end_that_no_message_follows_is_settled_soon(clock, guest, add, attend):
    first, last = add.delay(1), add.delay(2)
    attend(first)
    attend(last, after=0.001)
    assert guest.settle_late() == pytest.approx(HOLD)
    assert last.state == "running"
    clock.step(HOLD)
    guest.settle_late()
    assert (last.state, last.result) == ("succeeded", 3)


def test_while_the_store_is_away_a_message_waits_for_it(scheduler, guest, add, attend, monkeypatch):
    database, run, failures = scheduler.core.database, add.delay(1), [StoreUnavailable("away")] * 2
    write = database.write
    monkeypatch.setattr("scheduler_app.broker.guest.LOOK_AGAIN", 0.01)
    monkeypatch.setattr(database, "write", lambda work: write(work) if not failures else _raise(failures.pop()))
    attend(run)
    assert (failures, run.state) == ([], "succeeded")


def _raise(error: Exception) -> None:
    raise error


def test_what_the_time_limit_interrupts_is_timed_out(scheduler, guest, attend):
    guest.interruption = celery_functions.Interruption
    interrupted = scheduler.task(executor="celery", timeout=5)(celery_functions.interrupted)
    run = interrupted.delay()
    attend(run)
    assert (run.state, run.run.error.type) == ("timed_out", "TimeoutError")
    assert not guest.is_interruptible


def test_while_everything_is_paused_nothing_is_executed_and_afterwards_it_is_due_again(scheduler, add, attend):
    run = add.delay(1)
    scheduler.pause()
    attend(run)
    assert run.state == "queued"
    scheduler.resume()
    attend(run)
    assert run.state == "succeeded"


def test_it_fires_nothing(scheduler, fake_clock, guest, add):
    scheduler.add_job("due", add, trigger="interval", seconds=1, next_run_time=fake_clock.now(), kwargs={"a": 1})
    guest.prepare()
    guest.passes.poll()
    with scheduler.core.database.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM scheduler_runs").scalar_one() == 0


def test_a_message_about_another_store_is_refused_by_name(add, attend):
    run = add.delay(1)
    with pytest.raises(ConfigurationError, match=r"another store.*must name one database"):
        attend(run, store="elsewhere")
    assert run.state == "queued"


def test_a_worker_that_stops_leaves_a_message_to_others_at_once(scheduler, guest, add, attend):
    run = add.delay(1)
    guest.begin_drain()
    attend(run)
    assert run.state == "queued"
    with scheduler.core.database.read() as tx:
        assert [message.run_id for message in outbox.unpublished(tx, limit=9)] == [run.id]
