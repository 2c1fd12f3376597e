"""Celery, loaded by name and only when a broker is set; and what makes it safe for runs of ours."""

import importlib
import importlib.util
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


class Broker(Protocol):
    """Where messages go."""

    def publish(self, message: Message, *, store: str, queue: str | None) -> None:
        """Send a message; what it raises means that it may not have been sent."""

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
    celery.conf.broker_transport_options = {**TRANSPORT, **(celery.conf.broker_transport_options or {})}
    return celery


class CeleryBroker:
    """Publishes through a Celery app."""

    def __init__(self, celery: Any) -> None:
        self._celery = celery

    def publish(self, message: Message, *, store: str, queue: str | None) -> None:
        """Send a message. It has no time: times are kept in the store, where they survive the broker."""
        limits = {}
        if message.timeout is not None:
            soft = message.timeout + AFTER_OURS
            limits = {"soft_time_limit": soft, "time_limit": message.timeout + GRACE}
        self._celery.send_task(
            TASK,
            args=[message.run_id, message.attempt, store],
            task_id=message.id,
            queue=queue,
            ignore_result=True,
            retry=False,
            **limits,
        )

    def depth(self, queues: set[str | None]) -> int:
        """Return how many messages wait in these queues together; a queue that is not there yet has none."""
        names = {queue or self._celery.conf.task_default_queue for queue in queues}
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
