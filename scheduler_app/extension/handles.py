"""What a Flask developer holds in hand: a task that can be called or queued, the run or the job that this gave."""

import functools
import inspect
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from flask import current_app, has_app_context

from scheduler_app.clock import Clock
from scheduler_app.domain.job import Job, JobSpec, JobState
from scheduler_app.domain.run import Run, RunState
from scheduler_app.domain.task import Task, to_json
from scheduler_app.errors import ConfigurationError, WaitTimeout
from scheduler_app.services import jobs, runs

if TYPE_CHECKING:
    from scheduler_app.extension.core import Core

P = ParamSpec("P")
R = TypeVar("R")
LOOK_EVERY = 0.02


class RunHandle:
    """A run that was queued. Every property reads the store."""

    def __init__(self, run_id: int, job_id: str, core: "Core") -> None:
        self.id = run_id
        self.job_id = job_id
        self._core = core

    @property
    def run(self) -> Run:
        """The run as it is now."""
        return runs.get_run(self.id, ctx=self._core.ctx)

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        return self.run.state

    @property
    def result(self) -> Any:
        """What the task returned; None until it has, and when that was not JSON."""
        return self.run.result

    def wait(self, timeout: float) -> Run:
        """Wait until the run has ended and return it; WaitTimeout after `timeout` seconds. Not for use in a view."""
        return _ended(lambda: self.run, timeout, self._core.clock, what=f"run {self.id}")

    def cancel(self) -> Run:
        """Cancel the run: at once when it waits, by asking its task when it runs."""
        return runs.cancel_run(self.id, ctx=self._core.ctx)

    def __repr__(self) -> str:
        return f"<RunHandle {self.id} of job {self.job_id}>"


class JobHandle:
    """A job that was added. Every property reads the store."""

    def __init__(self, job_id: str, core: "Core") -> None:
        self.id = job_id
        self._core = core

    @property
    def job(self) -> Job:
        """The job as it is now; NotFound when it was deleted, or forgotten with its history."""
        return jobs.get_job(self.id, ctx=self._core.ctx)

    @property
    def state(self) -> JobState:
        """Whether it is active, paused, finished or broken."""
        return self.job.state

    @property
    def run(self) -> Run | None:
        """Its newest run; None before it has fired."""
        last = self.job.last_run
        return None if last is None else runs.get_run(last.id, ctx=self._core.ctx)

    @property
    def result(self) -> Any:
        """What the task returned in the newest run; None until it has, and when that was not JSON."""
        run = self.run
        return None if run is None else run.result

    def wait(self, timeout: float) -> Run:
        """Wait until its newest run has ended and return that; WaitTimeout after `timeout` seconds."""
        return _ended(lambda: self.run, timeout, self._core.clock, what=f"job {self.id!r}")

    def cancel(self) -> None:
        """Delete the job: what waits of it is cancelled, what runs finishes, its history stays."""
        jobs.delete_job(self.id, ctx=self._core.ctx)

    def __repr__(self) -> str:
        return f"<JobHandle {self.id}>"


def _ended(look: Callable[[], Run | None], timeout: float, clock: Clock, *, what: str) -> Run:
    """Look until there is a run that has ended."""
    never, limit = threading.Event(), clock.monotonic() + timeout
    while (run := look()) is None or run.is_open:
        if clock.monotonic() >= limit:
            raise WaitTimeout(
                f"{what} {'has not fired' if run is None else f'is still {run.state}'} after {timeout:g} s"
            )
        clock.wait(never, LOOK_EVERY)
    return run


class TaskFunction(Generic[P, R]):
    """A registered task. Calling it calls the function; `delay` queues a run and returns at once."""

    def __init__(self, task: Task, core: Callable[[], "Core"]) -> None:
        self.task = task
        self._core = core
        functools.update_wrapper(self, task.function)
        self.__signature__ = inspect.signature(task.function)

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here and now."""
        result: R = self.task.function(*args, **kwargs)
        return result

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> RunHandle:
        """Queue a run of the task and return its handle at once; it is on disk when this returns.

        Raises InvalidArguments when the arguments do not fit the function, or are not JSON.
        """
        core = self._core()
        spec = JobSpec(task=self.task.name, args=to_json(list(args)), kwargs=to_json(dict(kwargs)))
        job = jobs.create_job(spec, ctx=core.ctx)
        assert job.last_run is not None
        return RunHandle(job.last_run.id, job.id, core)

    def delay_until(self, when: datetime, /, *args: P.args, **kwargs: P.kwargs) -> JobHandle:
        """Add a job that runs the task once at `when`, and return its handle.

        A naive time is one of SCHEDULER_TIMEZONE; one that is over means now. Raises what `delay` does.
        """
        return self._add(trigger="date", run_date=when, args=args, kwargs=kwargs)

    def every(self, **options: Any) -> JobHandle:
        """Add a job that runs the task every `weeks, days, hours, minutes, seconds`, and return its handle.

        `options` are those, the other fields of an interval trigger (`start_date`, `end_date`, `timezone`, `jitter`),
        `args`, `kwargs`, `id`, `name`, and policies. Raises InvalidInput, InvalidTrigger or InvalidArguments for what
        is wrong of them, and IdTaken when the id is in use and `replace_existing` is not true.
        """
        return self._add(**options, trigger="interval")

    def _add(self, **given: Any) -> JobHandle:
        core = self._core()
        return JobHandle(core.desk.add({**given, "func": self}).id, core)

    def __repr__(self) -> str:
        return f"<task {self.task.name}>"


def core_of_current_app() -> "Core":
    """Return the core of the current app, for tasks that belong to every Scheduler."""
    if not has_app_context() or "scheduler" not in current_app.extensions:
        raise ConfigurationError(
            "delay() needs an app whose Scheduler is set up: call it in a view, a task or `with app.app_context():`, "
            "after Scheduler(app)"
        )
    core: Core = current_app.extensions["scheduler"].core
    return core
