"""RQ: jobs are forgotten when they have succeeded."""

import os

from redis import Redis
from rq import Queue

from tests.benchmarks.marks import Marker

queue = Queue(connection=Redis(unix_socket_path=os.environ["BROKER"]))
marker = Marker()


def noop(sent: float) -> None:
    """Do nothing but be counted."""
    marker.mark(sent)


def add(sent: float) -> None:
    """Enqueue one."""
    queue.enqueue(noop, sent, result_ttl=0)


def waiting() -> int:
    """Return how many are in the queue."""
    return len(queue)
