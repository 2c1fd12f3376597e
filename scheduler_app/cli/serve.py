"""`scheduler-app serve`: check everything that can be wrong, say where it listens, then hand over to gunicorn."""

import os
import signal
import socket
import sys

import click

from scheduler_app.api.holding import MOST
from scheduler_app.app import create_app
from scheduler_app.cli.folder import make_folder
from scheduler_app.cli.running import STOPS
from scheduler_app.cli.server import run_server
from scheduler_app.cli.signing import HINT, address, link
from scheduler_app.errors import ConfigurationError
from scheduler_app.extension.core import Core
from scheduler_app.services.context import BY_COMMAND
from scheduler_app.services.sessions import new_code
from scheduler_app.settings import Settings

BACKLOG = 2048
SPARE_THREADS = 8


def serve(settings: Settings) -> None:
    """Run the service until it is stopped. Raises SchedulerError for what keeps it from starting."""
    settings = with_streams(settings)
    make_folder(settings.data)
    app = create_app(settings)
    core: Core = app.extensions["scheduler_core"]
    core.open()
    listener = listen(settings.host, settings.port)
    code = new_code(ctx=core.ctx.by(BY_COMMAND)) if sys.stdout.isatty() else None
    core.database.close()
    for number in STOPS:
        # not sys.exit: what it raises is swallowed when the signal comes during a callback of the interpreter
        signal.signal(number, lambda _number, _frame: os._exit(0))
    _announce(listener, core, code)
    run_server(app, listener, settings)


def with_streams(settings: Settings) -> Settings:
    """Return the settings with as many streams as leave enough threads to answer everybody else."""
    if settings.event_streams is not None:
        return settings
    return settings.model_copy(update={"event_streams": max(0, min(MOST, settings.web_threads - SPARE_THREADS))})


def listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is announced."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigurationError(f"host {host}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"port {port} on {host}: {error.strerror}; choose another with --port, or stop what listens there"
        ) from None
    listener.set_inheritable(True)
    return listener


def _announce(listener: socket.socket, core: Core, code: str | None) -> None:
    """Say where it listens, and to a person at a terminal how to sign in; a log would keep that for others."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Listening on http://{shown}:{port} (API documentation: http://{shown}:{port}/docs)")
    if code is not None:
        click.echo(f"Sign in at {link(address(host, port), code)} ({HINT})")
    known = core.key_file.exists()
    click.echo(f"Admin key in {core.key_file}" if known else "The admin key lies where this store was made, not here")
    sys.stdout.flush()
