"""Huey on Redis."""

import os

from huey import RedisHuey

from tests.benchmarks.marks import Marker

huey = RedisHuey("peers", url=f"unix://{os.environ['BROKER']}", results=False)
marker = Marker()


@huey.task()
def noop(sent: float) -> None:
    """Do nothing but be counted."""
    marker.mark(sent)


def add(sent: float) -> None:
    """Enqueue one."""
    noop(sent)


def waiting() -> int:
    """Return how many are in the queue."""
    return int(huey.pending_count())
