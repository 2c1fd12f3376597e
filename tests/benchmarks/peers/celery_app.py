"""Celery over Redis: prefork, JSON, early acknowledgement, as it is without settings but for the results."""

import os

from celery import Celery
from redis import Redis

from tests.benchmarks.marks import Marker

app = Celery("peers", broker=f"redis+socket://{os.environ['BROKER']}")
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
marker = Marker()


@app.task(name="noop")
def noop(sent: float) -> None:
    """Do nothing but be counted."""
    marker.mark(sent)


def add(sent: float) -> None:
    """Publish one."""
    noop.delay(sent)


def waiting() -> int:
    """Return how many are in the queue."""
    with Redis(unix_socket_path=os.environ["BROKER"]) as client:
        return int(client.llen("celery"))
