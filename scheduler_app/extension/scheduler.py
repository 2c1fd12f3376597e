"""`Scheduler`: background and scheduled jobs for a Flask app, by the names that Flask-APScheduler users know."""

import atexit
import logging
import os
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, overload

from apscheduler.events import EVENT_ALL
from apscheduler.triggers.base import BaseTrigger
from flask import Flask, current_app, has_app_context
from flask_apscheduler import APScheduler

from scheduler_app.aps.declarations import Declared
from scheduler_app.aps.desk import Desk
from scheduler_app.aps.jobs import StoredJob
from scheduler_app.clock import SystemClock
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.task import LIMITS, Registry, default_registry
from scheduler_app.engine.engine import Engine
from scheduler_app.errors import ConfigurationError
from scheduler_app.extension import legacy
from scheduler_app.extension.autostart import is_loading, leave_to_reloaded, start_when_serving
from scheduler_app.extension.commands import commands
from scheduler_app.extension.config import ROLE, Parent, below_instance, read_config, sources
from scheduler_app.extension.core import CORE as CORE
from scheduler_app.extension.core import Core, Kit, build, open_before_a_view, retire_former
from scheduler_app.extension.distribution import NO_BROKER
from scheduler_app.extension.handles import P, R, RunHandle, TaskFunction
from scheduler_app.extension.login import Role, asking, checked
from scheduler_app.extension.mount import mount
from scheduler_app.extension.origin import UNKNOWN, Origin, require, whence
from scheduler_app.extension.places import caller, is_imported, is_importing, is_script, listed, shortened
from scheduler_app.extension.tasks import registered, spelt
from scheduler_app.extension.tasks import task as task
from scheduler_app.services.references import module_of
from scheduler_app.settings import Settings, from_environment, load
from scheduler_app.store.foreign import ForeignTransaction

LOG = logging.getLogger("scheduler_app")
EXTENSION = "scheduler"
NO_PARENT = Parent()
Found = TypeVar("Found", StoredJob, StoredJob | None)
NO_FOREIGN = "a foreign scheduler keeps no promise of ours; leave it out, Scheduler(app) brings its own"


class Scheduler(APScheduler):  # type: ignore[misc]
    """Durable jobs for a Flask app: `Scheduler(app)`, or `Scheduler()` and `init_app(app)` in a factory.

    It opens nothing and starts nothing by itself; an engine starts in the process that serves the app, or by `start`.
    """

    api_enabled: bool
    api_prefix: str | None
    endpoint_prefix: str
    allowed_hosts: list[str]
    auth: Any

    def __init__(
        self, app: Flask | None = None, *more: object, scheduler: object = None, role: Role | None = None
    ) -> None:
        if more or scheduler is not None:
            raise ConfigurationError(f"Scheduler takes an app and nothing else: {NO_FOREIGN}")
        if app is not None and not isinstance(app, Flask):
            raise ConfigurationError(f"Scheduler(app) takes a Flask app, got {type(app).__name__}: {NO_FOREIGN}")
        self.role = checked(role)
        self.registry = Registry(parent=default_registry)
        self._latest: Flask | None = None
        self._declared: list[Declared] = []
        self._added: set[str] = set()
        self._desks: weakref.WeakSet[Desk] = weakref.WeakSet()
        self._listeners: list[tuple[Callable[[Any], None], int]] = []
        super().__init__(scheduler=object())
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set an app up: read its `SCHEDULER_…` configuration, mount the API, and start an engine when it is served."""
        if not isinstance(app, Flask):
            raise ConfigurationError(f"init_app(app) takes a Flask app, got {type(app).__name__}")
        parent = read_config(app.config)
        loaded = load(from_environment(os.environ), *sources(app.config, parent))
        settings = below_instance(loaded, Path(app.instance_path))
        self._take_over(app.config, settings)
        self.wire(app, settings, parent)
        app.before_request(lambda: open_before_a_view(app.extensions[CORE]))
        app.cli.add_command(commands())
        if self.api_enabled:
            self._load_api()
        if self.api_prefix is not None:
            own = {path.strip("/").partition("/")[0] for _, path, _, _ in legacy.routes()} if self.api_enabled else ()
            login = asking(app, self.role, self.api_prefix) if self.role is not None else None
            mount(app, lambda: app.extensions[CORE], self.api_prefix, login=login, own=own)

    def _take_over(self, config: Mapping[str, Any], settings: Settings) -> None:
        """Set the attributes that Flask-APScheduler has for some of the configuration, and that may be set instead."""
        given = settings.model_fields_set
        self.api_enabled = settings.api_enabled if "api_enabled" in given else self.api_enabled
        self.api_prefix = settings.api_prefix if "api_prefix" in given else self.api_prefix
        self.auth = config.get("SCHEDULER_AUTH", self.auth)
        self.role = checked(config.get(ROLE, self.role))
        self.endpoint_prefix = config.get("SCHEDULER_ENDPOINT_PREFIX", self.endpoint_prefix)
        self.allowed_hosts = config.get("SCHEDULER_ALLOWED_HOSTS", self.allowed_hosts)
        if self.api_enabled and self.api_prefix is None:
            raise ConfigurationError("api_enabled: the routes need an api_prefix to be served under")

    def wire(self, app: Flask, settings: Settings, parent: Parent = NO_PARENT, *, origin: Origin | None = None) -> Core:
        """Set an app up by settings, without routes; `init_app` is this and the API under its prefix.

        `origin` says how a worker process builds the app, if that is known better than the app itself tells.
        """
        retire_former(app)
        known = whence(app, settings) if origin is None or settings.app else lambda: origin
        habits = parent.habits(settings)
        kit = Kit(settings=settings, registry=self.registry, clock=SystemClock(), habits=habits, whence=known)
        core = build(app, kit)
        core.desk.declared.say(*self._declared, *listed(parent.jobs))
        for name in self._wanting_processes(core):
            require(known, name)
        may_run = settings.engine != "off" and not Engine.barred
        self.registry.hindrance = lambda executor: self._hindrance(executor, may_run and known() is None)
        self._desks.add(core.desk)
        self._listen(core)
        self._latest = app
        self.app = app
        app.apscheduler = self  # type: ignore[attr-defined]
        app.extensions[EXTENSION] = self
        app.extensions[CORE] = core
        atexit.register(core.engine.stop)
        if self._is_allowed_here() and settings.engine == "auto":
            start_when_serving(core.engine, core.clock)
        elif self._is_allowed_here() and settings.engine == "on":
            core.desk.declared.may_grow = True
            core.engine.start()
        return core

    def _wanting_processes(self, core: Core) -> list[str]:
        """Return the tasks that are to run in processes, if this app may have an engine."""
        if core.settings.engine == "off" or Engine.barred:
            return []
        return [task.name for task in self.registry if task.overrides.executor is Executor.PROCESS]

    def _hindrance(self, executor: Executor, is_unknown: bool) -> str | None:
        """Return why nothing of an executor can run; None when it can."""
        if executor is Executor.CELERY:
            return None if self.core.distribution.is_there else NO_BROKER
        return UNKNOWN if is_unknown else None

    def _listen(self, core: Core) -> None:
        for callback, mask in self._listeners:
            core.engine.scheduler.add_listener(callback, mask)

    def replace_core(self, app: Flask, core: Core) -> None:
        """Put other parts under an app, a test's store and clock, and back; it counts as set up last."""
        before: Core = app.extensions[CORE]
        if not core.desk.declared.said:
            core.desk.declared.say(*before.desk.declared.said)
            self._desks.add(core.desk)
            self._listen(core)
        app.extensions[CORE] = core
        self._latest = app

    @property
    def core(self) -> Core:
        """The parts of the current app, else of the app that was set up last."""
        app: Flask | None = self._latest
        if has_app_context() and current_app.extensions.get(EXTENSION) is self:
            app = current_app
        if app is None:
            raise ConfigurationError("this Scheduler has no app yet; call Scheduler(app) or init_app(app)")
        return cast(Core, app.extensions[CORE])

    @overload
    def task(self, function: Callable[P, R], /) -> TaskFunction[P, R]: ...
    @overload
    def task(self, *, name: str | None = None, **policies: Any) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...
    @overload
    def task(
        self, trigger: str | BaseTrigger | dict[str, Any], /, **options: Any
    ) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...
    def task(self, function: Any = None, /, **options: Any) -> Any:  # type: ignore[misc]
        """Register a task of this Scheduler: `@scheduler.task` or `@scheduler.task(name=…, timeout=60)`.

        With a trigger it declares a job too, as Flask-APScheduler does: `@scheduler.task("cron", id="report", hour=9)`.
        """
        trigger = spelt(options.pop("trigger", function if isinstance(function, str | BaseTrigger | dict) else None))
        if trigger is None:
            return self._checked(registered(function, options, self.registry, lambda: self.core))
        return lambda function: self._scheduled(function, {"trigger": trigger, **options})

    def _checked(self, given: Any) -> Any:
        """Return a registered task, or the decorator of one, which is refused if it wants a process and has no app."""
        if not isinstance(given, TaskFunction):
            return lambda function: self._checked(given(function))
        if self._latest is not None and given.task.name in self._wanting_processes(self.core):
            require(self.core.whence, given.name)
        return given

    def _scheduled(self, function: Any, options: dict[str, Any]) -> Any:
        """Register a function under the name of where it stands, which no other has, and declare its job."""
        if not isinstance(function, TaskFunction):
            name = f"{module_of(function)}:{function.__qualname__}".replace("<locals>.", "")
            limits = {option: options.pop(option) for option in LIMITS if option in options}
            function = registered(None, {"name": name, **limits}, self.registry, lambda: self.core)(function)
        job_id = options.get("id") or function.name.lstrip("_")
        self._declare({**options, "id": job_id, "func": function}, caller())
        return function

    def _declare(self, given: dict[str, Any], at: str) -> Declared:
        """Remember a job for every app; what a factory declares anew for its next app is the same."""
        said = Declared(given=given, place=shortened(at))
        same = next((one for one in self._declared if one.given["id"] == given["id"]), said)
        if same.place != said.place:
            raise ConfigurationError(
                f"two jobs are declared with id {given['id']!r}, at {same.place} and {said.place}; "
                "give each its own id="
            )
        self._declared = [one for one in self._declared if one is not same] + [said]
        for desk in self._desks:
            desk.declared.say(said)
        return said

    def start(self, paused: bool = False) -> None:
        """Start an engine in this process, wherever it is; `paused` pauses firing for all processes first.

        Without an app the store is the one of the environment, as for `scheduler-app serve`.
        """
        if self._latest is None:
            settings = load(from_environment(os.environ))
            self.wire(Flask("scheduler_app.extension", instance_path=str(settings.data.absolute())), settings)
        if not self._is_allowed_here():
            LOG.warning(
                "the scheduler is not started: this host, %s, is not in SCHEDULER_ALLOWED_HOSTS (%s)",
                self.host_name,
                ", ".join(self.allowed_hosts),
            )
            return
        if paused:
            self.pause()
        if is_loading() and self.core.settings.engine == "auto":
            return  # the engine starts by itself, once the app is loaded, and only where it is served
        self.core.desk.declared.may_grow = is_script() or is_importing()
        if not self.core.engine.running:
            self.core.desk.declared.begin()
        self.core.engine.start()
        if is_script():
            leave_to_reloaded(self.core.engine, self.core.clock)

    def attach(self, celery: Any) -> None:
        """Let a Celery app of yours carry the runs of executor `celery`, and its workers execute them.

        Call it where that app is made, after `init_app`, in the service and in the workers alike. Calling it twice
        changes nothing; a Celery app that carries the runs of another store is refused.
        """
        core = self.core
        core.distribution.attach(celery, self, core.engine.ctx)

    def _is_allowed_here(self) -> bool:
        return "*" in self.allowed_hosts or self.host_name in self.allowed_hosts

    def shutdown(self, wait: bool = True) -> None:
        """Stop the engine; with `wait`, what executes has 20 s to finish and 5 s to be cancelled."""
        if wait:
            self.core.engine.stop()
        else:
            self.core.engine.stop(drain=0.0, grace=0.0)

    def pause(self) -> None:
        """Let nothing fire and nothing be claimed, in any process, until `resume`; running work goes on."""
        self.scheduler.pause()

    def resume(self) -> None:
        """End the pause; what would have fired is one missed range of each job."""
        self.scheduler.resume()

    @property
    def running(self) -> bool:
        """Whether an engine runs in this process, with every thread of it alive."""
        return self._latest is not None and self.core.engine.running

    @property
    def state(self) -> int:
        """APScheduler's state: 0 stopped, 1 running, 2 paused."""
        return 0 if self._latest is None else int(self.scheduler.state)

    @property
    def scheduler(self) -> Any:
        """The APScheduler inside."""
        return self.core.engine.scheduler

    @property
    def desk(self) -> Desk:
        """Who keeps the jobs."""
        return self.core.desk

    def add_listener(self, callback: Callable[[Any], None], mask: int = EVENT_ALL) -> None:
        """Call `callback` with each of APScheduler's events that `mask` lets pass."""
        self._listeners.append((callback, mask))
        if self._latest is not None:
            self.scheduler.add_listener(callback, mask)

    def remove_listener(self, callback: Callable[[Any], None]) -> None:
        """Call it no more."""
        self._listeners = [entry for entry in self._listeners if entry[0] != callback]
        if self._latest is not None:
            self.scheduler.remove_listener(callback)

    def upgrade(self) -> None:
        """Make our tables, or bring them up to date, now; else the first engine, or the first use, does."""
        self.core.open()

    def add_job(
        self, id: str | None = None, func: Any = None, *, in_transaction: Any = None, **options: Any
    ) -> StoredJob:
        """Add a job: of a registered task, or of a function below SCHEDULER_TASK_MODULES, or of the name of either.

        `trigger` is a type with its fields beside it, a trigger object of APScheduler's, or a JSON trigger; without one
        it runs once, now. While the app is loaded this declares it, as the decorator does: a restart finds it again.
        With `in_transaction`, a session or connection of SQLAlchemy's on the same database, it is there when that
        commits.
        """
        given = {"id": id, "func": func, **options}
        if in_transaction is not None:
            return self.desk.add_within(given, ForeignTransaction(in_transaction, self.core.database))
        if self._latest is not None and not is_loading() and (id is None or not is_imported()):
            return self._add_now(given)
        if id is None:
            raise ConfigurationError("add_job: what is added at each start needs an id, by which it is found again")
        job = None if self._latest is None else self.desk.announced(given)
        self._declare(given, caller())
        return cast(StoredJob, job)

    def _add_now(self, given: dict[str, Any]) -> StoredJob:
        """Add a job; a script that is the app itself says so at each start, which declares the job."""
        job_id = given["id"]
        if job_id is None or job_id in self._added or not is_script():
            return self.desk.add(given)
        self._added.add(job_id)
        job = self.desk.put(given)
        if self.core.desk.is_of_script:
            self._declare(given, caller())
        return job

    def modify_job(self, id: str, jobstore: str | None = None, **changes: Any) -> StoredJob:
        """Change a job, all of it or nothing; a paused one stays paused, unless `next_run_time` is given."""
        return self.desk.modify(id, changes)

    def reschedule_job(self, id: str, jobstore: str | None = None, trigger: Any = None, **fields: Any) -> StoredJob:
        """Give a job another trigger."""
        return self.desk.modify(id, {"trigger": trigger, **fields})

    def get_job(self, id: str, jobstore: str | None = None) -> StoredJob | None:
        """Return a job, or None when there is none of that id."""
        if self._latest is not None:
            return self._asked([self.desk.get(id)])[0]
        return next((cast(StoredJob, said.given) for said in self._declared if said.given["id"] == id), None)

    def get_jobs(self, jobstore: str | None = None) -> list[StoredJob]:
        """Return every job that is not finished, by its next time."""
        if self._latest is not None:
            return self._asked(self.desk.all())
        return [cast(StoredJob, said.given) for said in self._declared]

    def _asked(self, jobs: list[Found]) -> list[Found]:
        """Note what code that is being loaded has looked for, "add it if it is not there", and return that."""
        if is_loading() or is_script():
            self.core.desk.declared.ask(*(job.id for job in jobs if job is not None))
        return jobs

    def remove_job(self, id: str, jobstore: str | None = None) -> None:
        """Delete a job; its history stays."""
        if self._latest is not None:
            self.desk.remove(id)
        self._declared = [said for said in self._declared if said.given["id"] != id]

    def remove_all_jobs(self, jobstore: str | None = None) -> None:
        """Delete every job; their history stays."""
        if self._latest is not None:
            self.scheduler.remove_all_jobs(jobstore)
        self._declared = []

    def pause_job(self, id: str, jobstore: str | None = None) -> StoredJob:
        """Stop a job from firing."""
        return self.desk.pause(id)

    def resume_job(self, id: str, jobstore: str | None = None) -> StoredJob:
        """Let a paused job fire again."""
        return self.desk.resume(id)

    def run_job(self, id: str, jobstore: str | None = None) -> RunHandle:
        """Run a job now, through the executor, never in the caller's thread."""
        run = self.desk.run(id)
        return RunHandle(run.id, run.job_id, self.core)

    def _load_api(self) -> None:
        """Serve the parent's routes by views of ours; the parent's import whatever they are sent."""
        for endpoint, path, view, method in legacy.routes():
            self._add_url_route(endpoint, path, legacy.guarded(view), method)
