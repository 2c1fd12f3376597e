"""Limits where Celery's workers claim: what may not start is not published, and not executed if it was."""

from collections.abc import Iterator

import pytest

from scheduler_app.broker.guest import GuestEngine
from scheduler_app.broker.publisher import Publisher, store_id
from scheduler_app.domain.policy import Executor
from scheduler_app.store import outbox
from scheduler_app.store.outbox import Message
from tests.broker import celery_functions
from tests.broker.conftest import SteppedClock
from tests.broker.test_publisher import Post

pytestmark = pytest.mark.databases


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def publisher_of(scheduler, clock: SteppedClock, post: Post):
    """Make a publisher, with limits of executors."""
    core = scheduler.core
    return lambda **limits: Publisher(
        core.database, core.registry, clock, post, {Executor(name): most for name, most in limits.items()}
    )


@pytest.fixture
def worker_of(scheduler, fake_clock) -> Iterator:
    """Make the engine of a Celery process; what it returns delivers a message to it."""
    core, engines = scheduler.core, []
    store = core.database.write(store_id)

    def make(**limits: int):
        engine: GuestEngine = core.distribution.guest(core.engine.ctx)
        engine._limiter._executors = {Executor(name): most for name, most in limits.items()}
        engines.append(engine)
        return lambda run: engine.attend(Message(run_id=run.id, task="", attempt=1, timeout=None), store)

    yield make
    for engine in engines:
        engine.stop()


@pytest.fixture
def rare(scheduler):
    """A task of executor `celery` that may start twice a minute."""
    return scheduler.task(executor="celery", rate_limit="2/m")(celery_functions.add)


def poll(publisher: Publisher) -> None:
    for _ in range(4):
        publisher.poll()


def claim_all(scheduler, clock: SteppedClock, post: Post) -> None:
    """Claim, as workers that know of no limit, what was published."""
    core = scheduler.core
    for run_id, attempt in (message.split(":") for message in post.ids):
        message = Message(run_id=int(run_id), task="", attempt=int(attempt), timeout=None)
        core.database.write(
            lambda tx, m=message: outbox.claim(tx, m, tasks=core.registry.names(), engine=0, token=5, now=clock.now())
        )


def test_a_worker_executes_no_more_than_may_start_and_the_rest_is_published_again_then(
    scheduler, clock, worker_of, rare
):
    attend, other = worker_of(), worker_of()
    runs = [rare.delay(number) for number in range(4)]
    attend(runs[0]), other(runs[1]), attend(runs[2]), other(runs[3])
    assert [run.state for run in runs] == ["succeeded"] * 2 + ["queued"] * 2
    with scheduler.core.database.read() as tx:
        clock.step(59)
        assert outbox.unclaimed(tx, clock.now(), limit=9) == []
        clock.step(1)
        assert [message.run_id for message in outbox.unclaimed(tx, clock.now(), limit=9)] == [
            run.id for run in runs[2:]
        ]


def test_an_executor_executes_no_more_at_once_than_it_may(scheduler, clock, worker_of, add):
    first, second = add.delay(1), add.delay(2)
    attend = worker_of(celery=1)
    core = scheduler.core
    message = Message(run_id=first.id, task="", attempt=1, timeout=None)
    core.database.write(lambda tx: outbox.claim(tx, message, tasks=["add"], engine=0, token=5, now=core.clock.now()))
    attend(second)
    assert second.state == "queued"
    worker_of(celery=2)(second)
    assert second.state == "succeeded"


def test_no_more_is_published_of_a_task_than_may_start_and_others_go_past_it(
    scheduler, clock, publisher_of, post, rare
):
    waiting = [rare.delay(number) for number in range(100)]
    other = scheduler.task(executor="celery")(celery_functions.send).delay()
    publisher = publisher_of()
    poll(publisher)
    assert sorted(post.ids) == sorted([f"{run.id}:1" for run in waiting[:2]] + [f"{other.id}:1"])


def test_no_more_is_published_of_an_executor_than_it_may_execute(scheduler, clock, publisher_of, post, add):
    runs = [add.delay(number) for number in range(9)]
    publisher = publisher_of(celery=3)
    poll(publisher)
    claim_all(scheduler, clock, post)
    poll(publisher)
    assert post.ids == [f"{run.id}:1" for run in runs[:3]]


def test_a_job_with_many_runs_does_not_keep_the_others_from_being_published(scheduler, publisher_of, post, add):
    scheduler.add_job("flood", add, trigger="date", run_date="2030-01-01", kwargs={"a": 1}, max_instances=1000)
    for _ in range(120):
        scheduler.run_job("flood")
    late = scheduler.add_job("late", add, kwargs={"a": 2})
    publisher_of().poll()
    assert f"{late.last_run.id}:1" in post.ids[:2]
