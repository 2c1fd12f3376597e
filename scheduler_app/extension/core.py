"""The composition root: one app's store, tasks, clock, engine and use cases, put together. Opens nothing."""

import atexit
import logging
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from flask.ctx import AppContext

from scheduler_app.aps.desk import Desk
from scheduler_app.aps.jobstore import InnerStore
from scheduler_app.aps.options import Habits
from scheduler_app.clock import Clock
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.retention import Retention
from scheduler_app.domain.run import FINAL_STATES
from scheduler_app.domain.task import Registry
from scheduler_app.engine import crew
from scheduler_app.engine.context import EngineContext, Processes
from scheduler_app.engine.engine import Engine
from scheduler_app.errors import ConfigurationError, RequestInTask, SchedulerError
from scheduler_app.extension.distribution import Distribution
from scheduler_app.extension.origin import Whence, recipe_of
from scheduler_app.extension.reports import LogReporter
from scheduler_app.services.context import Context
from scheduler_app.services.opening import KEY_FILE, prepare
from scheduler_app.services.references import References
from scheduler_app.settings import Settings
from scheduler_app.signals import Bus
from scheduler_app.store import facts
from scheduler_app.store.database import Database, default_url

CORE = "scheduler_core"
API = "scheduler_api"
LOG = logging.getLogger("scheduler_app")
DEFAULT_HABITS = Habits()


@dataclass(frozen=True, kw_only=True)
class Core:
    """Everything that belongs to one app. Making it opens no file and starts no thread."""

    settings: Settings
    database: Database
    engine: Engine
    ctx: Context
    desk: Desk
    distribution: Distribution
    folder: Path
    whence: Whence

    @property
    def registry(self) -> Registry:
        """The tasks of the app."""
        return self.ctx.registry

    @property
    def clock(self) -> Clock:
        """What tells the app's time."""
        return self.ctx.clock

    @property
    def key_file(self) -> Path:
        """Where the admin key of the store is written."""
        return self.folder / KEY_FILE

    def open(self) -> None:
        """Open the store and bring it up to date. Raises StoreUnavailable or StoreTooNew."""
        self.database.open()

    def answers(self) -> bool | str:
        """Whether the store answers; a sentence when it does not."""
        try:
            with self.database.read() as tx:
                facts.paused_since(tx)
                return True
        except SchedulerError as error:
            return error.detail

    def close(self) -> None:
        """Stop the engine and close the store."""
        self.engine.stop()
        self.database.close()


@dataclass(frozen=True, kw_only=True)
class Kit:
    """What an app's parts are made of; `on_wake` is told, in place of the engine, that something may be due now."""

    settings: Settings
    registry: Registry
    clock: Clock
    habits: Habits = DEFAULT_HABITS
    synchronous: str = "FULL"
    on_wake: Callable[[], None] | None = None
    whence: Whence = lambda: None


def build(app: Flask, kit: Kit) -> Core:
    """Put an app's parts together."""
    settings, registry, database = kit.settings, kit.registry, store_of(app, kit)
    distribution = Distribution(settings.broker, lambda engine: furnish(engine))
    engine = Engine(
        EngineContext(
            database=database,
            registry=registry,
            clock=kit.clock,
            bus=Bus(),
            slots=settings.threads,
            processes=processes_of(settings, kit.whence),
            limits={Executor(name): most for name, most in settings.executor_limits.items()},
            retention=retention_of(settings),
            context=lambda: TaskContext(app),
            upkeep=lambda: desk.upkeep(engine.id),
            publisher=lambda: distribution.publisher(lambda: engine.ctx),
            load=lambda: load_api(app),
        )
    )
    _tell_of(engine)
    ctx = context_of(engine, settings, kit.on_wake or engine.wake)
    references = References(settings.task_modules, registry, code=Path(app.root_path), module=app.import_name)
    name = settings.app_name or app.name
    desk = Desk(ctx, references, kit.habits, engine.scheduler, app=name, address=database.shown)

    def furnish(engine: Engine) -> None:
        engine.scheduler.keep(desk, InnerStore(database, references, kit.clock), kit.habits.zone)

    furnish(engine)
    return Core(
        settings=settings,
        database=database,
        engine=engine,
        ctx=ctx,
        desk=desk,
        distribution=distribution,
        folder=folder_of(app, database),
        whence=kit.whence,
    )


def load_api(app: Flask) -> None:
    """Load what answers requests, if the app serves it; else the first request would wait for that."""
    if API in app.extensions:
        app.extensions[API].load()


def _tell_of(engine: Engine) -> None:
    """Let the log and the listeners hear of an engine's events."""
    reporter, listeners = LogReporter(), engine.scheduler.listeners
    engine.ctx.bus.subscribe(reporter, successes=reporter.tells_successes)
    engine.ctx.bus.subscribe(listeners, successes=listeners.is_heard)


def context_of(engine: Engine, settings: Settings, wake: Callable[[], None]) -> Context:
    """Return what use cases need, of what the engine of the same app works with."""
    parts = engine.ctx
    return Context(
        database=parts.database,
        registry=parts.registry,
        clock=parts.clock,
        bus=parts.bus,
        wake=wake,
        limits=parts.limits,
        session_idle=timedelta(seconds=settings.session_idle),
    )


def store_of(app: Flask, kit: Kit) -> Database:
    """Return the store of an app; it is not opened yet."""
    database = Database(
        kit.settings.database or default_database(app),
        synchronous=kit.synchronous,
        pooler=kit.settings.pooler,
        prepare=lambda store: prepare(store, folder_of(app, database), kit.clock),
    )
    return database


def folder_of(app: Flask, database: Database) -> Path:
    """Return where the files beside a store are: in its folder, or the app's where it has none."""
    return Path(app.instance_path) if database.path is None else database.path.parent


def processes_of(settings: Settings, known: Whence) -> Processes | None:
    """Return what worker processes the engine has; None when it is to have none."""
    slots = _processors() if settings.processes is None else settings.processes
    habits = crew.Habits(runs=settings.process_runs, idle=settings.process_idle, grace=settings.process_grace)
    return Processes(slots=slots, recipe=lambda: recipe_of(known), habits=habits) if slots else None


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def retention_of(settings: Settings) -> Retention:
    """Return how long history is kept."""
    days = {state: getattr(settings, f"keep_{state}_days") for state in FINAL_STATES}
    ages = {state: timedelta(days=number) for state, number in days.items() if number is not None}
    return Retention(
        ages=ages,
        runs_per_job=settings.keep_runs_per_job,
        changes=None if settings.keep_audit_days is None else timedelta(days=settings.keep_audit_days),
        minutes=timedelta(hours=settings.minute_counts_hours),
        hours=timedelta(days=settings.hour_counts_days),
    )


def default_database(app: Flask) -> str:
    """Return the store of an app that names none: a file in its instance folder."""
    return default_url(Path(app.instance_path))


class TaskContext(AbstractContextManager[AppContext]):
    """Pushes the app's context around a task; the request, which has ended by then, is explained."""

    def __init__(self, app: Flask) -> None:
        self._context = app.app_context()

    def __enter__(self) -> AppContext:
        return self._context.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        self._context.__exit__(kind, error, traceback)
        if isinstance(error, RuntimeError) and "outside of request context" in str(error):
            raise RequestInTask(
                "a task runs after the request has been answered, so `request` and `session` are gone; read what you "
                "need in the view and pass it as an argument: task.delay(user_id=current_user.id)"
            ) from error


def open_before_a_view(core: Core) -> None:
    """Make our tables before a view writes to the same file of SQLite: beside its transaction they cannot be made.

    A file that is not there yet is not the user's.
    """
    database = core.database
    if database.path is not None and not database.is_open and database.path.exists():
        with suppress(SchedulerError):  # who uses the store is told
            database.open()


def retire_former(app: Flask) -> None:
    """Let a Scheduler that an app had before go, as long as it does not run."""
    former: Core | None = app.extensions.get(CORE)
    if former is None:
        return
    if former.engine.running:
        raise ConfigurationError("this app has a running Scheduler already; set it up once, or shut that one down")
    LOG.warning("this app had a Scheduler already; the one that was set up last is used")
    former.engine.retire()
    atexit.unregister(former.engine.stop)
    former.close()
