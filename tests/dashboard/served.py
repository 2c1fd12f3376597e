"""The pages and the API over a store, served on loopback by threads, with a clock that stands at the world's NOW."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask_openapi.openapi import OpenAPI

from scheduler_app import dashboard
from scheduler_app.api.wsgi import Listening, Pages, Readiness, create_api
from scheduler_app.domain.task import Registry
from scheduler_app.services.context import Context
from scheduler_app.services.opening import KEY_FILE
from scheduler_app.signals import Bus
from scheduler_app.store.database import Database, default_url
from scheduler_app.testing.template import lay_store
from tests.clocks import SettableClock
from tests.dashboard.listening import listening
from tests.dashboard.world import NOW


@contextmanager
def opened(folder: Path) -> Iterator[Database]:
    """Open the store of a folder, a new one where there is none."""
    lay_store(folder / "scheduler.db")
    database = Database(default_url(folder), synchronous="OFF")
    try:
        yield database
    finally:
        database.close()


def key_of(folder: Path) -> str:
    """Return the admin key of a store."""
    return (folder / KEY_FILE).read_text().strip()


def built(database: Database, registry: Registry, clock: SettableClock) -> OpenAPI:
    """Return the app that answers."""
    ctx = Context(database=database, registry=registry, clock=clock, bus=Bus(), wake=lambda: None)  # type: ignore[arg-type]
    # a clock that stands would never end a stream
    none = Listening(streams=0)
    blueprint = dashboard.create_pages(ctx, may_stream=False)
    pages = Pages(blueprint=blueprint, tell=dashboard.tell, needs=dashboard.NEEDS, open=dashboard.OPEN)
    return create_api(ctx, hosts=(), ready=lambda: Readiness(ready=True), pages=pages, listening=none)


@contextmanager
def served(database: Database, registry: Registry, clock: SettableClock | None = None) -> Iterator[str]:
    """Serve until the block ends; the address is given."""
    with listening(built(database, registry, clock or SettableClock(NOW))) as address:
        yield address
