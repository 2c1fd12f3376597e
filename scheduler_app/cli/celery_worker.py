"""`scheduler-app celery-worker`: a Celery worker that executes runs, until a signal stops it."""

import os
import socket
import sys

import click
from flask.cli import ScriptInfo

from scheduler_app.app import create_app
from scheduler_app.broker.messaging import QUEUE
from scheduler_app.cli.running import log
from scheduler_app.engine.engine import Engine
from scheduler_app.errors import ConfigurationError
from scheduler_app.extension.core import CORE, Core
from scheduler_app.settings import Settings

UNITS = {"prefork": "processes", "threads": "threads"}


def _core_of(settings: Settings) -> Core:
    """Build the app that the settings name, or our own, in which no engine starts."""
    Engine.barred = True
    if settings.app is None:
        app = create_app(settings.model_copy(update={"engine": "off"}))
    else:
        sys.path.insert(0, os.getcwd())
        app = ScriptInfo(app_import_path=settings.app, set_debug_flag=False).load_app()
    if CORE not in app.extensions:
        raise ConfigurationError(f"app: {settings.app} has no Scheduler")
    core: Core = app.extensions[CORE]
    return core


def work_for_celery(settings: Settings, *, pool: str, concurrency: int | None, queues: tuple[str, ...]) -> None:
    """Execute runs in processes or threads of Celery's. Raises SchedulerError for what keeps it from starting."""
    core = _core_of(settings)
    if not core.distribution.is_there:
        raise ConfigurationError("broker: a Celery worker needs one; give --broker redis://127.0.0.1:6379/0")
    if core.database.path is not None and not core.database.path.exists():
        raise ConfigurationError(
            f"database: there is no store at {core.database.path}; start the service first. On another host than the "
            "service's a worker needs PostgreSQL: SQLite is a file of one host"
        )
    core.open()
    core.database.close()
    named = {task.queue for task in core.registry if task.queue is not None}
    log(settings.log_level, chatty=("celery.worker.strategy", "celery.app.trace"))
    core.distribution.attach(core.distribution.celery, core, core.engine.ctx)
    worker = core.distribution.celery.Worker(
        # two of one host are told apart, by each other and by `celery inspect`
        hostname=f"scheduler-{os.getpid()}@{socket.gethostname()}",
        concurrency=concurrency,
        queues=list(queues) or [QUEUE, *sorted(named)],
        loglevel=settings.log_level,
        pool=pool,
        optimization="fair",
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    click.echo(f"Working on {core.database.shown} with {worker.concurrency} {UNITS[pool]} of Celery's")
    sys.stdout.flush()
    worker.start()
    sys.exit(worker.exitcode or 0)
