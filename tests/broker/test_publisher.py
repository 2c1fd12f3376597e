"""The publisher: every queued run is sent, once if all goes well, and nothing is lost when the broker is away."""

from collections.abc import Sequence

import pytest

from scheduler_app.broker.messaging import QUEUE, CeleryBroker, Letter, make_celery
from scheduler_app.broker.publisher import BATCH, MOST_OUTSTANDING, Publisher, store_id
from scheduler_app.store import facts, outbox
from scheduler_app.store.outbox import Message
from tests.broker import celery_functions

pytestmark = pytest.mark.databases


class Post:
    """A broker that can be seen into: what was sent, what still waits in it, and what it was told to kill."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str | None]] = []
        self.stores: set[str] = set()
        self.waiting = 0
        self.killed: list[str] = []
        self.is_away = False

    def publish(self, letters: Sequence[Letter], *, store: str) -> None:
        if self.is_away:
            raise ConnectionError("the broker is away")
        self.stores.add(store)
        self.sent += [(message.id, queue) for message, queue in letters]

    def depth(self, queues: set[str | None]) -> int:
        return self.waiting

    def kill(self, message_id: str) -> None:
        self.killed.append(message_id)

    @property
    def ids(self) -> list[str]:
        return [message for message, _ in self.sent]


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def publisher(scheduler, clock, add, post) -> Publisher:
    core = scheduler.core
    return Publisher(core.database, core.registry, clock, post)


def test_each_run_is_sent_once_with_the_name_of_its_store(scheduler, add, publisher, post):
    runs = [add.delay(number) for number in range(3)]
    for _ in range(3):
        publisher.poll()
    assert post.ids == [f"{run.id}:1" for run in runs]
    assert post.stores == {scheduler.core.database.write(store_id)}


def test_a_task_may_have_a_queue_of_its_own(scheduler, publisher, post):
    run = scheduler.task(executor="celery", queue="mail")(celery_functions.send).delay()
    publisher.poll()
    assert post.sent == [(f"{run.id}:1", "mail")]


def test_two_publishers_do_not_send_the_same(scheduler, add, publisher, post):
    core, add_runs = scheduler.core, [add.delay(number) for number in range(3)]
    other = Publisher(core.database, core.registry, core.clock, post)
    publisher.poll()
    other.poll()
    assert len(post.ids) == len(add_runs)


def test_what_could_not_be_sent_is_sent_when_the_broker_is_back(add, publisher, post):
    runs = [add.delay(number) for number in range(3)]
    post.is_away = True
    with pytest.raises(ConnectionError):
        publisher.poll()
    post.is_away = False
    publisher.poll()
    assert sorted(post.ids) == sorted(f"{run.id}:1" for run in runs)


def test_what_no_worker_claims_within_60_s_is_sent_again(clock, add, publisher, post):
    run = add.delay(1)
    publisher.poll()
    clock.step(59)
    publisher.poll()
    assert post.ids == [f"{run.id}:1"]
    clock.step(2)
    publisher.poll()
    assert post.ids == [f"{run.id}:1"] * 2


def test_what_a_broker_was_made_to_forget_is_sent_to_it_again_after_60_s(scheduler, clock, add, broker):
    core, celery = scheduler.core, make_celery(broker.url)
    publisher = Publisher(core.database, core.registry, clock, CeleryBroker(celery))
    for number in range(3):
        add.delay(number)
    publisher.poll()
    with broker.client as client:
        assert client.llen(QUEUE) == 3
        clock.step(61)
        publisher.poll()
        assert client.llen(QUEUE) == 3, "they are there still"
        client.flushall()
        clock.step(61)
        publisher.poll()
        assert client.llen(QUEUE) == 3
        client.flushall()
    celery.close()


def test_what_still_waits_in_the_broker_is_not_sent_again(clock, add, publisher, post):
    add.delay(1)
    publisher.poll()
    post.waiting = 1
    for _ in range(5):
        clock.step(61)
        publisher.poll()
    assert len(post.ids) == 1


def test_no_more_is_published_than_workers_can_soon_take(scheduler, add, publisher, post):
    runs = [add.delay(number) for number in range(MOST_OUTSTANDING + BATCH)]
    while publisher.poll() == 0.0:
        pass
    assert len(post.ids) == MOST_OUTSTANDING
    for run in runs[:BATCH]:
        publisher.poll()
        assert len(post.ids) == MOST_OUTSTANDING
        run.cancel()
    publisher.poll()
    assert len(post.ids) == MOST_OUTSTANDING + BATCH


def test_nothing_is_sent_while_everything_is_paused(scheduler, add, publisher, post):
    scheduler.pause()
    run = add.delay(1)
    publisher.poll()
    assert post.ids == []
    scheduler.resume()
    publisher.poll()
    assert post.ids == [f"{run.id}:1"]


def test_a_retry_is_sent_as_another_attempt(scheduler, clock, add, publisher, post):
    run = add.delay(1)
    publisher.poll()
    core = scheduler.core
    message = Message(run_id=run.id, task="add", attempt=1, timeout=None)
    core.database.write(lambda tx: outbox.claim(tx, message, tasks=["add"], engine=0, token=5, now=core.clock.now()))
    core.database.write(lambda tx: outbox.claims.give_back(tx, [(run.id, 5)], core.clock.now()))
    publisher.poll()
    assert post.ids == [f"{run.id}:1"] * 2


@pytest.fixture
def deaf(scheduler, add):
    """A run that executes, and was asked to stop."""
    run = add.delay(1)
    core = scheduler.core
    message = Message(run_id=run.id, task="add", attempt=1, timeout=None)
    core.database.write(lambda tx: outbox.claim(tx, message, tasks=["add"], engine=7, token=5, now=core.clock.now()))
    run.cancel()
    return run


def test_what_was_asked_to_stop_is_killed_after_its_grace(clock, deaf, publisher, post):
    publisher.poll()
    clock.step(4)
    publisher.poll()
    assert post.killed == []
    clock.step(2)
    publisher.poll()
    assert post.killed == [f"{deaf.id}:1"]


def test_a_store_keeps_the_name_it_got(scheduler, publisher):
    database = scheduler.core.database
    assert database.write(store_id) == database.write(store_id)
    with database.read() as tx:
        assert facts.get(tx, "store") is not None


def test_what_is_killed_is_killed_again_only_after_its_grace(clock, deaf, publisher, post):
    for _ in range(9):
        publisher.poll()
        clock.step(1)
    assert post.killed == [f"{deaf.id}:1"]
