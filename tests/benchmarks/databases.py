"""One PostgreSQL for all workloads of a call, durable as `initdb` makes it, and copies of filled databases on it."""

from contextlib import ExitStack
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests import postgres

_open = ExitStack()


@cache
def server() -> "postgres.Server":
    """The server, started when the first asks for it; its driver is an extra, hence the name."""
    server: postgres.Server = _open.enter_context(import_module("tests.postgres").running(durable=True))
    return server


def close() -> None:
    """Stop it, when it was started."""
    _open.close()
    server.cache_clear()


def empty(name: str) -> str:
    """Make an empty database of this name and return its URL."""
    server().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    server().execute(f"CREATE DATABASE {name}")
    return server().url(name)


def copy(name: str) -> str:
    """Return the URL of a fresh copy of a database, from which nothing is left to be written when the clock begins."""
    server().execute(f"DROP DATABASE IF EXISTS {name}_copy WITH (FORCE)")
    server().execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    server().execute("VACUUM (ANALYZE)", f"{name}_copy")
    server().execute("CHECKPOINT")
    return server().url(f"{name}_copy")


def dsn(url: str) -> str:
    """Return what a driver takes instead of SQLAlchemy's URL."""
    return url.replace("postgresql+psycopg:", "postgresql:")
