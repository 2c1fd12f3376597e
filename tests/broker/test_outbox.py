"""The outbox: what is queued for Celery is due at once, then again after its time, and is claimed once."""

from datetime import timedelta

import pytest

from scheduler_app.store import outbox, runs
from scheduler_app.store.outbox import Message

pytestmark = pytest.mark.databases


@pytest.fixture
def store(scheduler, add):
    """The database of the test's app."""
    return scheduler.core.database


def due(store, clock) -> list[str]:
    with store.read() as tx:
        fresh = outbox.unpublished(tx, limit=10)
        return [message.id for message in [*fresh, *outbox.unclaimed(tx, clock.now(), limit=10)]]


def publish(store, clock) -> list[Message]:
    until = clock.now() + timedelta(seconds=60)
    return store.write(lambda tx: outbox.mark(tx, outbox.unpublished(tx, limit=10), until))


def claim(scheduler, message: Message, *, tasks=("add",)):
    now = scheduler.core.clock.now()
    return scheduler.core.database.write(lambda tx: outbox.claim(tx, message, tasks=tasks, engine=7, token=1, now=now))


def test_what_is_queued_for_celery_is_due_and_no_thread_takes_it(scheduler, clock, store, add):
    run = add.delay(1)
    clock.step(30)
    assert due(store, clock) == [f"{run.id}:1"]
    assert run.state == "queued"


def test_what_is_published_is_due_again_after_its_time(scheduler, clock, store, add):
    run = add.delay(1)
    publish(store, clock)
    clock.step(59)
    assert due(store, clock) == []
    clock.step(1)
    assert due(store, clock) == [f"{run.id}:1"]


def test_what_was_not_sent_after_all_is_due_at_once(scheduler, clock, store, add):
    run = add.delay(1)
    publish(store, clock)
    store.write(lambda tx: outbox.unmark(tx, [run.id]))
    assert due(store, clock) == [f"{run.id}:1"]


def test_the_higher_priority_is_published_first(scheduler, clock, store, add):
    for priority in (0, 5, -5):
        scheduler.add_job(f"p{priority}", add, kwargs={"a": 1}, priority=priority)
    with store.read() as tx:
        order = [runs.find(tx, message.run_id).job_id for message in outbox.unpublished(tx, limit=10)]
    assert order == ["p5", "p0", "p-5"]


def test_an_attempt_is_claimed_once_however_often_it_is_asked_for(scheduler, clock, store, add):
    add.delay(1)
    (message,) = publish(store, clock)
    assert claim(scheduler, message).attempt == 1
    assert claim(scheduler, message) is None
    with store.read() as tx:
        assert outbox.outstanding(tx) == 0


@pytest.mark.parametrize("attempt", [0, 2])
def test_a_message_for_another_attempt_is_not_acted_on(scheduler, clock, store, add, attempt):
    run = add.delay(1)
    publish(store, clock)
    assert claim(scheduler, Message(run_id=run.id, task="add", attempt=attempt, timeout=None)) is None
    assert run.state == "queued"


def test_a_worker_that_does_not_know_the_task_claims_nothing(scheduler, clock, store, add):
    add.delay(1)
    (message,) = publish(store, clock)
    assert claim(scheduler, message, tasks=("another",)) is None


def test_a_cancelled_run_is_not_claimed(scheduler, clock, store, add):
    run = add.delay(1)
    (message,) = publish(store, clock)
    run.cancel()
    assert claim(scheduler, message) is None
    assert run.state == "cancelled"
