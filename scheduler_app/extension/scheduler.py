"""`Scheduler`: background and scheduled jobs for a Flask app, by the names that Flask-APScheduler users know."""

import atexit
import os
from collections.abc import Callable
from typing import Any, overload

from flask import Flask, current_app, has_app_context
from flask_apscheduler import APScheduler

from scheduler_app.clock import SystemClock
from scheduler_app.domain.job import Job, JobSpec
from scheduler_app.domain.policy import POLICY_NAMES, Overrides
from scheduler_app.domain.task import Registry, Task, default_registry, to_json
from scheduler_app.errors import ConfigurationError
from scheduler_app.extension.autostart import start_when_serving
from scheduler_app.extension.core import Core, build
from scheduler_app.extension.handles import P, R, RunHandle, TaskFunction, core_of_current_app
from scheduler_app.extension.mount import mount
from scheduler_app.services import jobs
from scheduler_app.settings import Settings, from_environment, from_flask, load
from scheduler_app.store.jobs import JobFilter, JobPlace

EXTENSION = "scheduler"
CORE = "scheduler_core"
PAGE = 500


class Scheduler(APScheduler):  # type: ignore[misc]
    """Durable jobs for a Flask app: `Scheduler(app)`, or `Scheduler()` and `init_app(app)` in a factory.

    It opens nothing and starts nothing by itself; an engine starts in the process that serves the app, or by `start`.
    """

    def __init__(self, app: Flask | None = None, *, scheduler: object = None) -> None:
        if scheduler is not None:
            raise ConfigurationError(
                "scheduler=: a foreign scheduler keeps no promise of ours; leave it out, Scheduler brings its own"
            )
        if app is not None and not isinstance(app, Flask):
            raise ConfigurationError(f"Scheduler(app) takes a Flask app first, got {type(app).__name__}")
        self.registry = Registry(parent=default_registry)
        self._latest: Flask | None = None
        super().__init__(scheduler=object())
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Set an app up: read its `SCHEDULER_…` configuration, mount the API, and start an engine when it is served."""
        settings = load(from_environment(os.environ), from_flask(app.config))
        self.wire(app, settings)
        if settings.api_prefix is not None:
            mount(app, lambda: app.extensions[CORE], settings.api_prefix)

    def wire(self, app: Flask, settings: Settings) -> Core:
        """Set an app up by settings, without routes; `init_app` is this and the API under its prefix."""
        if EXTENSION in app.extensions:
            raise ConfigurationError("this app has a Scheduler already; set it up once")
        core = build(app, settings, self.registry, SystemClock())
        self._latest = app
        self.app = app
        app.apscheduler = self  # type: ignore[attr-defined]
        app.extensions[EXTENSION] = self
        app.extensions[CORE] = core
        atexit.register(core.engine.stop)
        if settings.engine == "auto":
            start_when_serving(core.engine, core.clock)
        elif settings.engine == "on":
            core.engine.start()
        return core

    def replace_core(self, core: Core) -> None:
        """Put other parts under the app that was set up last: a test's store and clock, and back."""
        if self._latest is None:
            raise ConfigurationError("this Scheduler has no app yet; call Scheduler(app) or init_app(app)")
        self._latest.extensions[CORE] = core

    @property
    def core(self) -> Core:
        """The parts of the current app, else of the app that was set up last."""
        app: Flask | None = self._latest
        if has_app_context() and current_app.extensions.get(EXTENSION) is self:
            app = current_app
        if app is None:
            raise ConfigurationError("this Scheduler has no app yet; call Scheduler(app) or init_app(app)")
        core: Core = app.extensions[CORE]
        return core

    @overload
    def task(self, function: Callable[P, R], /) -> TaskFunction[P, R]: ...
    @overload
    def task(self, *, name: str | None = None, **policies: Any) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...
    def task(self, function: Any = None, /, *, name: Any = None, **policies: Any) -> Any:  # type: ignore[misc]
        """Register a task of this Scheduler: `@scheduler.task` or `@scheduler.task(name=…, timeout=60)`."""
        return _registered(function, name, policies, self.registry, lambda: self.core)

    def start(self, paused: bool = False) -> None:
        """Start an engine in this process, wherever it is; `paused` pauses firing for all processes first."""
        core = self.core
        if paused:
            self.pause()
        core.engine.start()

    def shutdown(self, wait: bool = True) -> None:
        """Stop the engine; with `wait`, what executes has 20 s to finish and 5 s to be cancelled."""
        if wait:
            self.core.engine.stop()
        else:
            self.core.engine.stop(drain=0.0, grace=0.0)

    @property
    def running(self) -> bool:
        """Whether an engine runs in this process, with every thread of it alive."""
        return self._latest is not None and self.core.engine.running

    @property
    def state(self) -> int:
        """APScheduler's state: 0 stopped, 1 running, 2 paused."""
        return int(self.scheduler.state)

    @property
    def scheduler(self) -> Any:
        """The APScheduler inside."""
        return self.core.engine.scheduler

    def add_job(self, id: str, func: "TaskFunction[..., Any] | str", **options: Any) -> Job:
        """Add a job that names a registered task. `trigger` is a JSON trigger, or a type with its fields beside it."""
        core = self.core
        name = func if isinstance(func, str) else getattr(getattr(func, "task", None), "name", None)
        if name is None:
            raise ConfigurationError(f"add_job: {func!r} is no registered task; decorate it with @scheduler.task")
        policies = {key: options.pop(key) for key in list(options) if key in POLICY_NAMES}
        spec = JobSpec(
            id=id,
            task=name,
            name=options.pop("name", None),
            args=to_json(list(options.pop("args", None) or [])),
            kwargs=to_json(dict(options.pop("kwargs", None) or {})),
            trigger=_trigger(options.pop("trigger", None), options),
            overrides=Overrides.model_validate(policies),
        )
        return jobs.create_job(spec, ctx=core.ctx)

    def get_job(self, id: str, jobstore: str | None = None) -> Job:
        """Return a job; NotFound when there is none of that id."""
        return jobs.get_job(id, ctx=self.core.ctx)

    def get_jobs(self, jobstore: str | None = None) -> list[Job]:
        """Return every job that is not finished, in the order of their ids."""
        ctx = self.core.ctx
        found: list[Job] = []
        after: JobPlace | None = None
        while True:
            page = jobs.list_jobs(JobFilter(), after=after, limit=PAGE, ctx=ctx)
            found += page.jobs
            after = page.after
            if after is None:
                return found

    def remove_job(self, id: str, jobstore: str | None = None) -> None:
        """Delete a job; its history stays."""
        jobs.delete_job(id, ctx=self.core.ctx)

    def pause_job(self, id: str, jobstore: str | None = None) -> Job:
        """Stop a job from firing."""
        return jobs.pause_job(id, reason=None, ctx=self.core.ctx)

    def resume_job(self, id: str, jobstore: str | None = None) -> Job:
        """Let a paused job fire again."""
        return jobs.resume_job(id, ctx=self.core.ctx)

    def run_job(self, id: str, jobstore: str | None = None) -> RunHandle:
        """Run a job now, through the executor, never in the caller's thread."""
        core = self.core
        run = jobs.run_job(id, ctx=core.ctx)
        return RunHandle(run.id, run.job_id, core)

    def _load_api(self) -> None:
        """Take the place of the parent's routes, which import whatever they are sent."""


def _trigger(trigger: Any, fields: dict[str, Any]) -> dict[str, Any] | None:
    if trigger is None or isinstance(trigger, dict):
        return trigger if trigger is None else to_json(trigger)
    whole: dict[str, Any] = to_json({"type": trigger, **fields})
    return whole


@overload
def task(function: Callable[P, R], /) -> TaskFunction[P, R]: ...
@overload
def task(*, name: str | None = None, **policies: Any) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...
def task(function: Callable[..., Any] | None = None, /, *, name: str | None = None, **policies: Any) -> Any:
    """Register a function as a task of every Scheduler: `@task` or `@task(name="reports.send", max_retries=3)`.

    Raises ConfigurationError for a name or policy that cannot be, TaskNameTaken when another function has the name.
    """
    return _registered(function, name, policies, default_registry, core_of_current_app)


def _registered(
    function: Callable[..., Any] | None,
    name: str | None,
    policies: dict[str, Any],
    registry: Registry,
    core: Callable[[], Core],
) -> Any:
    def decorate(function: Callable[..., Any]) -> TaskFunction[..., Any]:
        return TaskFunction(registry.add(Task.of(function, name=name, **policies)), core)

    if function is None:
        return decorate
    if not callable(function):
        raise ConfigurationError(
            f"@task takes a function or named options, got {function!r}; a job with a trigger is added by "
            "scheduler.add_job(id, task, trigger=...)"
        )
    return decorate(function)
