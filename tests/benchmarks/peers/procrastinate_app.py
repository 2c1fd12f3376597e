"""procrastinate on PostgreSQL; BROKER is the connection string of a database that has its schema."""

import atexit
import os
import threading
from functools import cache

import psycopg
from procrastinate import App, PsycopgConnector

from tests.benchmarks.marks import Marker

WAITING = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'"
app = App(connector=PsycopgConnector(conninfo=os.environ["BROKER"]))
marker = Marker()
opening = threading.Lock()


@app.task(name="noop")
async def noop(sent: float) -> None:
    """Do nothing but be counted."""
    marker.mark(sent)


@cache
def opened() -> App:
    """Connect, and make what it needs where it is not; a worker connects by itself."""
    atexit.register(app.close)
    app.open()
    if not app.check_connection():
        app.schema_manager.apply_schema()
    return app


def add(sent: float) -> None:
    """Defer one."""
    with opening:  # what is cached is not kept from being made by two threads at once
        opened()
    noop.defer(sent=sent)


def waiting() -> int:
    """Return how many are to do."""
    with psycopg.connect(os.environ["BROKER"]) as connection:
        row = connection.execute(WAITING).fetchone()
    return int(row[0]) if row else 0
