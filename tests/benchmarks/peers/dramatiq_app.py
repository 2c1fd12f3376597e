"""Dramatiq over Redis, with the middleware that it has by itself."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tests.benchmarks.marks import Marker

broker = RedisBroker(url=f"unix://{os.environ['BROKER']}")
dramatiq.set_broker(broker)
marker = Marker()


@dramatiq.actor
def noop(sent: float) -> None:
    """Do nothing but be counted."""
    marker.mark(sent)


def add(sent: float) -> None:
    """Send one."""
    noop.send(sent)


def waiting() -> int:
    """Return how many are in the queue."""
    return int(broker.client.llen("dramatiq:default"))
