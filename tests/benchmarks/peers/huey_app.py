"""Huey: on Redis, or, given a file, on SQLite, each commit synced."""

import os

from huey import RedisHuey, SqliteHuey

from tests.benchmarks.marks import Marker

BROKER = os.environ["BROKER"]
huey = (
    SqliteHuey("peers", filename=BROKER, fsync=True, results=False)
    if BROKER.endswith(".db")
    else RedisHuey("peers", url=f"unix://{BROKER}", results=False)
)
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
