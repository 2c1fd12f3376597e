"""The composition root: one app's store, tasks, clock, engine and use cases, put together. Opens nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from scheduler_app.clock import Clock
from scheduler_app.domain.retention import Retention
from scheduler_app.domain.run import FINAL_STATES
from scheduler_app.domain.task import Registry
from scheduler_app.engine.engine import Engine, EngineContext
from scheduler_app.errors import RequestInTask, SchedulerError
from scheduler_app.extension.reports import LogReporter
from scheduler_app.services.context import Context
from scheduler_app.services.keys import add_admin_key, new_secret
from scheduler_app.settings import Settings
from scheduler_app.signals import Bus
from scheduler_app.store import schema
from scheduler_app.store.database import Connections, Database, default_url

KEY_FILE = "admin.key"


@dataclass(frozen=True, kw_only=True)
class Core:
    """Everything that belongs to one app. Making it opens no file and starts no thread."""

    settings: Settings
    database: Database
    registry: Registry
    clock: Clock
    engine: Engine
    ctx: Context

    @property
    def key_file(self) -> Path:
        """Where the admin key of the store is written."""
        return self.database.path.parent / KEY_FILE

    def open(self) -> None:
        """Open the store and bring it up to date. Raises StoreUnavailable or StoreTooNew."""
        with self.database.read():
            pass

    def answers(self) -> bool | str:
        """Whether the store answers; a sentence when it does not."""
        try:
            with self.database.read():
                return True
        except SchedulerError as error:
            return error.detail

    def close(self) -> None:
        """Stop the engine and close the store."""
        self.engine.stop()
        self.database.close()


def build(app: Flask, settings: Settings, registry: Registry, clock: Clock, *, synchronous: str = "FULL") -> Core:
    """Put an app's parts together."""
    url = settings.database or default_database(app)
    database = Database(url, synchronous=synchronous, prepare=lambda store: prepare(store, database.path.parent, clock))
    bus = Bus()
    bus.subscribe(LogReporter())
    engine = Engine(
        EngineContext(
            database=database,
            registry=registry,
            clock=clock,
            bus=bus,
            slots=settings.threads,
            retention=retention_of(settings),
            context=lambda: task_context(app),
        )
    )
    ctx = Context(database=database, registry=registry, clock=clock, bus=bus, wake=engine.wake)
    return Core(settings=settings, database=database, registry=registry, clock=clock, engine=engine, ctx=ctx)


def retention_of(settings: Settings) -> Retention:
    """Return how long history is kept."""
    days = {state: getattr(settings, f"keep_{state}_days") for state in FINAL_STATES}
    ages = {state: timedelta(days=number) for state, number in days.items() if number is not None}
    return Retention(ages=ages, runs_per_job=settings.keep_runs_per_job)


def default_database(app: Flask) -> str:
    """Return the store of an app that names none: a file in its instance folder."""
    return default_url(Path(app.instance_path))


def prepare(store: Connections, folder: Path, clock: Clock) -> None:
    """Migrate the store; who makes it also makes its admin key, in the same transaction."""
    secret = new_secret()

    def on_create(tx: sa.Connection) -> None:
        add_admin_key(tx, secret, clock.now())
        _write_secret(folder / KEY_FILE, secret)

    schema.upgrade(store, on_create=on_create)


def _write_secret(path: Path, secret: str) -> None:
    """Write the key for its owner alone; it is on disk before the store that knows it is."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "w") as stream:
        stream.write(secret + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


@contextmanager
def task_context(app: Flask) -> Iterator[Any]:
    """Push the app's context around a task; the request, which has ended by then, is explained."""
    try:
        with app.app_context() as context:
            yield context
    except RuntimeError as error:
        if "outside of request context" not in str(error):
            raise
        raise RequestInTask(
            "a task runs after the request has been answered, so `request` and `session` are gone; read what you need "
            "in the view and pass it as an argument: task.delay(user_id=current_user.id)"
        ) from error
