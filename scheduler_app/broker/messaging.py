"""Celery, loaded by name and only when a broker is set; and what makes it safe for runs of ours."""

import importlib
import importlib.util
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from scheduler_app.errors import ConfigurationError
from scheduler_app.store.outbox import Message

TASK = "scheduler_app.run"
QUEUE = "scheduler"
GRACE = 5.0
# the engine in the worker has noted that the time is over when Celery interrupts the task
AFTER_OURS = 0.25
CONNECT_SECONDS = 2.0
# what a worker holds unacknowledged is looked through every 10 s, in place of every 100 s
TRANSPORT = {"unacked_restore_throttle": 1, "socket_connect_timeout": CONNECT_SECONDS}
# a limit that a user's app has for its own tasks is none of ours
NEVER = 10.0 * 365 * 24 * 3600
Letter = tuple[Message, str | None]


class Broker(Protocol):
    """Where messages go."""

    def publish(self, letters: Sequence[Letter], *, store: str) -> None:
        """Send messages; what it raises means that some may not have been sent."""

    def depth(self, queues: set[str | None]) -> int:
        """Return how many messages wait in these queues together."""

    def kill(self, message_id: str) -> None:
        """Let the worker that executes a message end that process by force."""


def require() -> None:
    """Raise ConfigurationError when Celery is not installed."""
    if importlib.util.find_spec("celery") is None:
        raise ConfigurationError("broker: it needs Celery: pip install 'scheduler_app[celery]'")


def load(module: str) -> Any:
    """Import a module of Celery. Raises ConfigurationError when it is not installed."""
    require()
    return importlib.import_module(module)


def shown(url: str) -> str:
    """Return a broker's URL as it may be shown: without a password, and without options, which may hold one."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    hidden = f"{user.partition(':')[0]}:***@{host}" if user else host
    return urlunsplit((parts.scheme, hidden, parts.path, "", ""))


def make_celery(url: str) -> Any:
    """Return a Celery app of our own for a broker. Opens nothing."""
    celery = load("celery").Celery("scheduler_app", broker=url, set_as_current=False)
    celery.conf.update(
        task_default_queue=QUEUE,
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_redirect_stdouts=False,
    )
    return adopt(celery)


def adopt(celery: Any) -> Any:
    """Give a Celery app, ours or a user's, the settings that runs of ours need; what it has beside them stays."""
    celery.conf.worker_prefetch_multiplier = 1
    if "json" not in celery.conf.accept_content:
        celery.conf.accept_content = [*celery.conf.accept_content, "json"]
    celery.conf.broker_transport_options = {**TRANSPORT, **(celery.conf.broker_transport_options or {})}
    return celery


class CeleryBroker:
    """Publishes through a Celery app; what is sent together takes one round trip where kombu can (5.7)."""

    def __init__(self, celery: Any) -> None:
        self._celery = celery

    def publish(self, letters: Sequence[Letter], *, store: str) -> None:
        """Send messages, at once. They have no time: times are kept in the store, where they survive the broker."""
        with self._celery.producer_or_acquire() as producer, getattr(producer, "batch", nullcontext)():
            for message, queue in letters:
                self._send(producer, message, store, queue)

    def _send(self, producer: Any, message: Message, store: str, queue: str | None) -> None:
        soft, hard = self._limits(message.timeout)
        self._celery.send_task(
            TASK,
            args=[message.run_id, message.attempt, store],
            task_id=message.id,
            queue=self._name(queue),
            serializer="json",
            ignore_result=True,
            retry=False,
            producer=producer,
            soft_time_limit=soft,
            time_limit=hard,
        )

    def _limits(self, timeout: float | None) -> tuple[float | None, float | None]:
        """Return when Celery interrupts an attempt, and when it kills the process."""
        if timeout is not None:
            return timeout + AFTER_OURS, timeout + GRACE
        conf = self._celery.conf
        return (NEVER, NEVER) if conf.task_time_limit or conf.task_soft_time_limit else (None, None)

    def _name(self, queue: str | None) -> str:
        return queue or str(self._celery.conf.task_default_queue)

    def depth(self, queues: set[str | None]) -> int:
        """Return how many messages wait in these queues together; a queue that is not there yet has none."""
        names = {self._name(queue) for queue in queues}
        with self._celery.connection_for_read() as connection:
            return sum(self._depth(connection, name) for name in names)

    def _depth(self, connection: Any, name: str) -> int:
        try:
            return int(connection.default_channel.queue_declare(queue=name, passive=True).message_count)
        except connection.channel_errors:
            return 0

    def kill(self, message_id: str) -> None:
        """Let the worker that executes a message kill that process; nobody answers."""
        self._celery.control.revoke(message_id, terminate=True, signal="SIGKILL")
