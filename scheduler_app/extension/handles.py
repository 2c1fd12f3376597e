"""What a Flask developer holds in hand: a task that can be called or queued, the run or the job that this gave."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from flask import current_app, has_app_context

from scheduler_app.clock import Clock
from scheduler_app.domain.job import Job, JobSpec, JobState
from scheduler_app.domain.run import Run, RunState
from scheduler_app.domain.spec import shown
from scheduler_app.domain.task import Task, to_json
from scheduler_app.errors import ConfigurationError, Fault, InvalidInput, NotCommitted, NotFound, WaitTimeout
from scheduler_app.services import jobs, runs
from scheduler_app.services.context import Context
from scheduler_app.services.enqueueing import enqueue
from scheduler_app.store.foreign import ForeignTransaction
from scheduler_app.store.nested import Joined

if TYPE_CHECKING:
    from scheduler_app.extension.core import Core

P = ParamSpec("P")
R = TypeVar("R")


class Handle:
    """What was added, and the transaction of the caller's that it was added in, if it was."""

    def __init__(self, core: "Core", within: ForeignTransaction | None) -> None:
        self._core = core
        self._within = within

    @contextmanager
    def _seen(self, name: str) -> Iterator[Context]:
        """Look where it can be seen: in the transaction that it was added in, and after the commit in the store."""
        ctx = self._core.ctx
        if self._within is None:
            yield ctx
            return
        try:
            yield ctx.keeping(Joined(self._within.connection)) if self._within.is_open else ctx
        except NotFound as error:
            raise NotFound(
                f"there is no {name}: the transaction that it was added in was rolled back, or it was deleted since"
            ) from error

    def _expect_commit(self, name: str, what: str) -> None:
        if self._within is not None and self._within.is_open:
            raise NotCommitted(f"{name} cannot {what} yet: the transaction that it was added in is not committed")


class RunHandle(Handle):
    """A run that was queued. Every property reads the store."""

    def __init__(self, run_id: int, job_id: str, core: "Core", within: ForeignTransaction | None = None) -> None:
        super().__init__(core, within)
        self.id = run_id
        self.job_id = job_id

    @property
    def run(self) -> Run:
        """The run as it is now."""
        with self._seen(f"run {self.id}") as ctx:
            return runs.get_run(self.id, ctx=ctx)

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        return self.run.state

    @property
    def result(self) -> Any:
        """What the task returned; None until it has, and when that was not JSON."""
        return self.run.result

    def wait(self, timeout: float) -> Run:
        """Wait until the run has ended and return it; WaitTimeout after `timeout` seconds. Not for use in a view.

        NotCommitted at once while the transaction that it was added in is open.
        """
        self._expect_commit(f"run {self.id}", "be waited for")
        return _ended(lambda: self.run, timeout, self._core.clock, what=f"run {self.id}")

    def cancel(self) -> Run:
        """Cancel the run: at once when it waits, by asking its task when it runs."""
        self._expect_commit(f"run {self.id}", "be cancelled")
        return runs.cancel_run(self.id, ctx=self._core.ctx)

    def __repr__(self) -> str:
        return f"<RunHandle {self.id} of job {self.job_id}>"


class JobHandle(Handle):
    """A job that was added. Every property reads the store."""

    def __init__(self, job_id: str, core: "Core", within: ForeignTransaction | None = None) -> None:
        super().__init__(core, within)
        self.id = job_id

    @property
    def job(self) -> Job:
        """The job as it is now; NotFound when it was deleted, or forgotten with its history."""
        with self._seen(f"job {self.id!r}") as ctx:
            return jobs.get_job(self.id, ctx=ctx)

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
        """Wait until its newest run has ended and return that; WaitTimeout after `timeout` seconds.

        NotCommitted at once while the transaction that it was added in is open.
        """
        self._expect_commit(f"job {self.id!r}", "be waited for")
        return _ended(lambda: self.run, timeout, self._core.clock, what=f"job {self.id!r}")

    def cancel(self) -> None:
        """Delete the job: what waits of it is cancelled, what runs finishes, its history stays."""
        self._expect_commit(f"job {self.id!r}", "be cancelled")
        jobs.delete_job(self.id, ctx=self._core.ctx)

    def __repr__(self) -> str:
        return f"<JobHandle {self.id}>"


def _ended(look: Callable[[], Run | None], timeout: float, clock: Clock, *, what: str) -> Run:
    """Look until there is a run that has ended."""
    if not isinstance(timeout, int | float):
        raise _refused("timeout", f"a number of seconds, got {shown(timeout)}")
    limit = clock.monotonic() + timeout
    while (run := look()) is None or run.is_open:
        left = limit - clock.monotonic()
        if left <= 0:
            raise WaitTimeout(
                f"{what} {'has not fired' if run is None else f'is still {run.state}'} after {timeout:g} s"
            )
        clock.linger(left)
    return run


def _refused(name: str, wanted: str) -> InvalidInput:
    return InvalidInput.of(Fault(pointer=f"/{name}", detail=f"{name} must be {wanted}"))


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

    @overload
    def delay(self, *args: P.args, **kwargs: P.kwargs) -> RunHandle: ...
    @overload
    def delay(self, *args: Any, in_transaction: Any, **kwargs: Any) -> RunHandle: ...
    def delay(self, *args: Any, in_transaction: Any = None, **kwargs: Any) -> RunHandle:
        """Queue a run of the task and return its handle at once; it is on disk when this returns.

        With `in_transaction`, a session or connection of SQLAlchemy's on the same database, it is queued when that
        commits, and never if it is rolled back. Raises InvalidArguments when the arguments do not fit the function, or
        are not JSON.
        """
        core = self._core()
        spec = JobSpec(task=self.task.name, args=to_json(list(args)), kwargs=to_json(kwargs))
        within = None if in_transaction is None else ForeignTransaction(in_transaction, core.database)
        job = jobs.create_job(spec, ctx=core.ctx) if within is None else enqueue(spec, within, ctx=core.ctx)
        assert job.last_run is not None
        return RunHandle(job.last_run.id, job.id, core, within)

    @overload
    def delay_until(self, when: datetime, /, *args: P.args, **kwargs: P.kwargs) -> JobHandle: ...
    @overload
    def delay_until(self, when: datetime, /, *args: Any, in_transaction: Any, **kwargs: Any) -> JobHandle: ...
    def delay_until(self, when: datetime, /, *args: Any, in_transaction: Any = None, **kwargs: Any) -> JobHandle:
        """Add a job that runs the task once at `when`, and return its handle; `in_transaction` as for `delay`.

        A naive time is one of SCHEDULER_TIMEZONE; one that is over means now. Raises what `delay` does.
        """
        if when is None:
            raise _refused("when", "a time, got None; delay() runs it now")
        return self._add(in_transaction, trigger="date", run_date=when, args=args, kwargs=kwargs)

    def every(self, *, in_transaction: Any = None, **options: Any) -> JobHandle:
        """Add a job that runs the task every `weeks, days, hours, minutes, seconds`, and return its handle.

        `options` are those, the other fields of an interval trigger (`start_date`, `end_date`, `timezone`, `jitter`),
        `args`, `kwargs`, `id`, `name`, and policies; `in_transaction` as for `delay`. Raises InvalidInput,
        InvalidTrigger or InvalidArguments for what is wrong of them, and IdTaken when the id is in use and
        `replace_existing` is not true.
        """
        return self._add(in_transaction, **options, trigger="interval")

    def _add(self, in_transaction: Any, **given: Any) -> JobHandle:
        core = self._core()
        given["func"] = self
        if in_transaction is None:
            return JobHandle(core.desk.enter(given).id, core)
        within = ForeignTransaction(in_transaction, core.database)
        return JobHandle(core.desk.enter_within(given, within).id, core, within)

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
