"""`scheduler-app db`: the schema of a store, without starting a service on it."""

from pathlib import Path

import click

from scheduler_app.clock import SystemClock
from scheduler_app.domain.text import one_line
from scheduler_app.errors import NotFound
from scheduler_app.services.opening import prepare
from scheduler_app.settings import Settings
from scheduler_app.store import auditing, schema
from scheduler_app.store.database import Connections, Database, default_url


def current(settings: Settings) -> None:
    """Print which schema a store has, and which this version."""
    database = _database(settings)
    try:
        state = database.look(schema.state)
    except NotFound:
        state = "not there yet, the first start makes it"
    click.echo(one_line(f"{database.path or database.shown}: {state}"))


def upgrade(settings: Settings) -> None:
    """Bring a store up to this version's schema; one of no schema is made, with its admin key."""
    database = _database(settings)
    with database.read():
        pass
    database.close()
    current(settings)


def check(settings: Settings) -> bool:
    """Tell in what the tables of a store differ from those of this version; whether they do not."""
    database = _database(settings)
    faults = database.look(auditing.differences)
    for fault in faults:
        click.echo(one_line(f"{database.path or database.shown}: {fault}"), err=True)
    if not faults:
        current(settings)
    return not faults


def _database(settings: Settings) -> Database:
    def make(store: Connections) -> None:
        folder: Path = settings.data if database.path is None else database.path.parent
        prepare(store, folder.absolute(), SystemClock())

    url = settings.database or default_url(settings.data)
    database = Database(url, pooler=settings.pooler, prepare=make)
    return database
