"""One-time links: how a person who may read the store signs in to its service without looking for a key."""

import click

from scheduler_app.clock import SystemClock
from scheduler_app.domain.task import Registry
from scheduler_app.domain.text import one_line
from scheduler_app.errors import ConfigurationError
from scheduler_app.services.context import BY_COMMAND, Context
from scheduler_app.services.sessions import new_code
from scheduler_app.settings import Settings
from scheduler_app.signals import Bus
from scheduler_app.store import schema
from scheduler_app.store.database import Database, default_url

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where `serve` may listen, by its owner's wish
HINT = "it signs in once, within 5 minutes"


def print_link(settings: Settings, url: str | None) -> None:
    """Print a one-time link to the service on the store of these settings. Raises SchedulerError."""
    database = Database(settings.database or default_url(settings.data), pooler=settings.pooler)
    unknown = database.look(schema.unknown_version)
    if unknown is not None:
        raise ConfigurationError(f"{database.path or database.shown}: {unknown}")
    ctx = Context(database=database, registry=Registry(), clock=SystemClock(), bus=Bus(), wake=lambda: None)
    try:
        code = new_code(ctx=ctx.by(BY_COMMAND))
    finally:
        database.close()
    base = address(settings.host, settings.port) if url is None else url
    click.echo(one_line(link(base, code)))
    click.echo(f"scheduler-app: {HINT}", err=True)


def link(base: str, code: str) -> str:
    """Return the link to the form that uses a code up."""
    return f"{base.rstrip('/')}/sign-in?code={code}"


def address(host: str, port: int) -> str:
    """Return where a browser on this machine finds what listens on an address."""
    host = EVERY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
