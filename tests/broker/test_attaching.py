"""Attaching a Celery app that has settings of its own: its tasks keep them, and runs of ours do not follow them."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, signals
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.broker.attending import ATTENDANT
from scheduler_app.broker.messaging import NEVER, TASK, CeleryBroker
from scheduler_app.errors import ConfigurationError
from scheduler_app.store.outbox import Message
from tests import valkey
from tests.broker import celery_functions


@pytest.fixture
def celery() -> Celery:
    """An app of a user's that has its own ways."""
    celery = Celery("shop", broker="redis://127.0.0.1:1/0", set_as_current=False)
    celery.conf.update(
        task_acks_late=False,
        task_serializer="pickle",
        accept_content=["pickle"],
        task_default_queue="shop",
        task_default_rate_limit="1/h",
        task_soft_time_limit=10,
        task_time_limit=20,
        task_track_started=True,
        broker_transport_options={"visibility_timeout": 99, "unacked_restore_throttle": 5},
    )
    celery.task(name="own")(celery_functions.count)
    return celery


@pytest.fixture
def schedulers(tmp_path: Path) -> Iterator[Any]:
    """Make a Scheduler with a store of its own."""
    made = []

    def make(name: str) -> Scheduler:
        app = Flask(__name__, instance_path=str(tmp_path / name))
        app.config["SCHEDULER_ENGINE"] = "off"
        made.append(Scheduler(app))
        return made[-1]

    yield make
    for scheduler in made:
        scheduler.core.close()


def test_its_own_tasks_keep_their_settings_and_ours_has_none_of_them(celery: Celery, schedulers):
    schedulers("a").attach(celery)
    own, ours = celery.tasks["own"], celery.tasks[TASK]
    assert (own.acks_late, own.serializer, own.rate_limit, own.time_limit) == (False, "pickle", "1/h", 20)
    assert (ours.acks_late, ours.ignore_result) == (True, True)
    assert (ours.rate_limit, ours.time_limit, ours.soft_time_limit) == (None, None, None)


def test_the_worker_gets_what_runs_need_and_keeps_what_was_set(celery: Celery, schedulers):
    schedulers("a").attach(celery)
    assert celery.conf.worker_prefetch_multiplier == 1
    assert celery.conf.accept_content == ["pickle", "json"]
    assert celery.conf.broker_transport_options["visibility_timeout"] == 99
    assert celery.conf.broker_transport_options["unacked_restore_throttle"] == 5


def test_settings_that_are_given_after_attaching_lose_nothing_that_a_worker_needs(schedulers):
    celery = Celery("shop", set_as_current=False)
    schedulers("a").attach(celery)
    celery.config_from_object({"accept_content": ["pickle"], "worker_prefetch_multiplier": 4})
    signals.celeryd_init.send(sender="worker", instance=SimpleNamespace(app=celery), conf=celery.conf, options={})
    assert (celery.conf.accept_content, celery.conf.worker_prefetch_multiplier) == (["pickle", "json"], 1)


def test_attaching_twice_is_attaching_once(celery: Celery, schedulers):
    scheduler = schedulers("a")
    scheduler.attach(celery)
    first = getattr(celery, ATTENDANT)
    scheduler.attach(celery)
    assert getattr(celery, ATTENDANT) is first


def test_a_celery_app_that_carries_the_runs_of_another_store_is_refused(celery: Celery, schedulers):
    schedulers("a").attach(celery)
    with pytest.raises(ConfigurationError, match=r"'shop' carries the runs of .*a/scheduler.db already, .*b/scheduler"):
        schedulers("b").attach(celery)


@pytest.mark.parametrize(("timeout", "limits"), [(None, [NEVER, NEVER]), (3.0, [8.0, 3.25])])
def test_a_message_is_json_to_the_queue_of_its_task_with_the_limits_of_its_run(broker, celery, timeout, limits):
    celery.conf.broker_url = broker.url
    letters = [(Message(run_id=7, task="add", attempt=2, timeout=timeout), queue) for queue in (None, "mail")]
    CeleryBroker(celery).publish(letters, store="s")
    for queue in ("shop", "mail"):
        message = _first(broker, celery, queue)
        assert (message.content_type, message.headers["id"], message.payload[0]) == (
            "application/json",
            "7:2",
            [7, 2, "s"],
        )
        assert message.headers["timelimit"] == limits


def _first(broker: valkey.Valkey, celery: Celery, queue: str) -> Any:
    """Take the message that waits in a queue."""
    with celery.connection_for_read() as connection, connection.SimpleQueue(queue) as waiting:
        message = waiting.get(timeout=5)
        message.ack()
        return message
