"""`scheduler-app worker`: an engine without the web part, until a signal stops it."""

import os
import signal
import sys
import threading

import click

from scheduler_app.app import create_app
from scheduler_app.cli.folder import make_folder
from scheduler_app.cli.running import STOPS, log
from scheduler_app.extension.core import Core
from scheduler_app.settings import Settings

LAST_SECOND = 27.0


def work(settings: Settings) -> None:
    """Run an engine until it is told to stop. Raises SchedulerError for what keeps it from starting.

    The first SIGTERM or SIGINT lets what executes finish, as an engine stops; the second one ends at once. Either way
    the exit status is 0.
    """
    make_folder(settings.data)
    # `engine` says what a process that serves requests does; this one does nothing else than run one
    app = create_app(settings.model_copy(update={"engine": "auto"}))
    core: Core = app.extensions["scheduler_core"]
    core.open()
    told, tell = os.pipe()
    signals: list[int] = []

    def handle(number: int, _frame: object) -> None:
        signals.append(number)
        if len(signals) > 1:
            os._exit(0)
        os.write(tell, b"!")  # a handler takes no lock, since it may interrupt whoever holds it

    for number in STOPS:
        signal.signal(number, handle)
    log(settings.log_level)
    core.engine.start()
    _announce(core)
    os.read(told, 1)
    _stop(core)


def _announce(core: Core) -> None:
    names = ", ".join(core.registry.names()) or "none, so that it fires but executes nothing; give --tasks"
    click.echo(f"Working on {core.database.shown} with {core.settings.threads} slots; tasks: {names}")
    sys.stdout.flush()


def _stop(core: Core) -> None:
    """Stop the engine, and end even if something hangs on."""
    timer = threading.Timer(LAST_SECOND, os._exit, args=(0,))
    timer.daemon = True
    timer.start()
    core.close()
    # not sys.exit: a task that hears of nothing may keep the interpreter from ending
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
