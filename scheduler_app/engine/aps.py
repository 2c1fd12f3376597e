"""The scheduler inside: APScheduler's `BackgroundScheduler`, whose main loop, pass and jobs are ours.

APScheduler's own pass submits before it saves, and any error of a store or a trigger ends its thread while `running`
stays true. What remains of it is the front: its methods, its states, its thread, its listeners.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

from apscheduler.events import (
    EVENT_ALL_JOBS_REMOVED,
    EVENT_SCHEDULER_PAUSED,
    EVENT_SCHEDULER_RESUMED,
    SchedulerEvent,
)
from apscheduler.executors.base import BaseExecutor
from apscheduler.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_PAUSED, STATE_RUNNING, STATE_STOPPED
from apscheduler.util import undefined

from scheduler_app.engine.listeners import Listeners
from scheduler_app.engine.loop import Loop
from scheduler_app.errors import ConfigurationError


class Jobs(Protocol):
    """The use cases behind the scheduler's methods."""

    def add(self, given: Mapping[str, Any]) -> Any:
        """Add a job."""

    def modify(self, job_id: str, given: Mapping[str, Any]) -> Any:
        """Change a job."""

    def get(self, job_id: str) -> Any:
        """Return a job, or None."""

    def all(self) -> Any:
        """Return every job that is not finished."""

    def pause(self, job_id: str) -> Any:
        """Stop a job from firing."""

    def resume(self, job_id: str) -> Any:
        """Let a paused job fire again."""

    def remove(self, job_id: str) -> None:
        """Delete a job."""

    def remove_all(self) -> None:
        """Delete every job."""

    def pause_all(self) -> None:
        """Let nothing fire."""

    def resume_all(self) -> None:
        """End that."""

    def is_paused(self) -> bool:
        """Whether nothing may fire."""


class NoExecutor(BaseExecutor):  # type: ignore[misc]
    """Takes the place of APScheduler's pool, whose queue has no bound and is lost in a crash."""

    def _do_submit_job(self, job: Any, run_times: Any) -> NoReturn:
        raise ConfigurationError("runs are executed by the engine, from the store; nothing is submitted by hand")


class DurableScheduler(BackgroundScheduler):  # type: ignore[misc]
    """A BackgroundScheduler whose thread polls a loop of ours. It can be started again after a shutdown."""

    def __init__(self, loop: Callable[[], Loop]) -> None:
        super().__init__(timezone="UTC")
        self._new_loop = loop
        self._loop: Loop | None = None
        self._jobs: Jobs | None = None
        self.listeners = Listeners(self._dispatch_event, is_heard=lambda: bool(self._listeners))

    def keep(self, jobs: Jobs, store: Any, timezone: Any) -> None:
        """Keep jobs where they belong: `jobs` does what is asked, `store` shows them to APScheduler's own code."""
        self._jobs = jobs
        self._jobstores["default"] = store
        self.timezone = timezone

    @property
    def jobs(self) -> Jobs:
        """Return who keeps the jobs."""
        if self._jobs is None:
            raise ConfigurationError("this scheduler belongs to no app yet; use Scheduler(app)")
        return self._jobs

    @property
    def state(self) -> int:
        """Whether it is stopped (0), running (1) or paused (2), for all processes."""
        paused = self._state == STATE_RUNNING and self._jobs is not None and self._jobs.is_paused()
        return STATE_PAUSED if paused else self._state

    @state.setter
    def state(self, value: int) -> None:
        self._state: int = value

    def start(self, paused: bool = False) -> None:
        """Start the thread; starting twice changes nothing."""
        if self._loop is not None:
            return
        if paused:
            self.pause()
        self._loop = self._new_loop()
        self.listeners.start()
        try:
            super().start()
        except SchedulerAlreadyRunningError:
            return

    def _main_loop(self) -> None:
        if self._loop is not None:
            self._loop.run()

    def _process_jobs(self) -> float:
        return 0.0 if self._loop is None else self._loop.once()

    def wakeup(self) -> None:
        """Poll now."""
        if self._loop is not None:
            self._loop.wake()

    @property
    def running(self) -> bool:
        """Whether the thread lives; never true of one that has died."""
        thread = self._thread
        return self._state != STATE_STOPPED and (thread is None or thread.is_alive())

    def shutdown(self, wait: bool = True) -> None:
        """End the thread; a scheduler that does not run is left as it is."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        loop.stop()
        self.listeners.stop()
        try:
            super().shutdown(wait=wait)
        except SchedulerNotRunningError:
            return

    def pause(self) -> None:
        """Let nothing fire, in any process, until `resume`."""
        self.jobs.pause_all()
        self._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_PAUSED))

    def resume(self) -> None:
        """End the pause."""
        self.jobs.resume_all()
        self._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_RESUMED))

    def add_job(  # noqa: PLR0913 - APScheduler's own signature
        self,
        func: Any,
        trigger: Any = None,
        args: Any = None,
        kwargs: Any = None,
        id: Any = None,
        name: Any = None,
        misfire_grace_time: Any = undefined,
        coalesce: Any = undefined,
        max_instances: Any = undefined,
        next_run_time: Any = undefined,
        jobstore: Any = "default",
        executor: Any = "default",
        replace_existing: bool = False,
        **trigger_args: Any,
    ) -> Any:
        """Add a job to the store; it is on disk when this returns, whether the scheduler runs or not."""
        given = {
            "func": func,
            "trigger": trigger,
            "args": args,
            "kwargs": kwargs,
            "id": id,
            "name": name,
            "misfire_grace_time": misfire_grace_time,
            "coalesce": coalesce,
            "max_instances": max_instances,
            "next_run_time": next_run_time,
            "jobstore": jobstore,
            "executor": executor,
            "replace_existing": replace_existing,
            **trigger_args,
        }
        return self.jobs.add({name: value for name, value in given.items() if value is not undefined})

    def modify_job(self, job_id: str, jobstore: str | None = None, **changes: Any) -> Any:
        """Change a job."""
        return self.jobs.modify(job_id, changes)

    def reschedule_job(self, job_id: str, jobstore: Any = None, trigger: Any = None, **trigger_args: Any) -> Any:
        """Give a job another trigger."""
        return self.jobs.modify(job_id, {"trigger": trigger, **trigger_args})

    def pause_job(self, job_id: str, jobstore: str | None = None) -> Any:
        """Stop a job from firing."""
        return self.jobs.pause(job_id)

    def resume_job(self, job_id: str, jobstore: str | None = None) -> Any:
        """Let a paused job fire again."""
        return self.jobs.resume(job_id)

    def get_jobs(self, jobstore: str | None = None, pending: Any = None) -> Any:
        """Return every job that is not finished."""
        return self.jobs.all()

    def get_job(self, job_id: str, jobstore: str | None = None) -> Any:
        """Return a job, or None when there is none of that id."""
        return self.jobs.get(job_id)

    def remove_job(self, job_id: str, jobstore: str | None = None) -> None:
        """Delete a job; its history stays."""
        self.jobs.remove(job_id)

    def remove_all_jobs(self, jobstore: str | None = None) -> None:
        """Delete every job; their history stays."""
        self.jobs.remove_all()
        self._dispatch_event(SchedulerEvent(EVENT_ALL_JOBS_REMOVED, jobstore))

    def add_jobstore(self, jobstore: Any, alias: str = "default", **options: Any) -> NoReturn:
        """Refuse: there is one store."""
        raise ConfigurationError(f"job store {alias!r}: jobs are kept in one store; name it in SCHEDULER_DATABASE")

    def add_executor(self, executor: Any, alias: str = "default", **options: Any) -> None:
        """Refuse every executor but the one that stands for ours."""
        if not isinstance(executor, NoExecutor):
            raise ConfigurationError(f"executor {alias!r}: runs execute in the engine's threads; set SCHEDULER_THREADS")
        super().add_executor(executor, alias)

    def export_jobs(self, outfile: Any, jobstore: str | None = None) -> NoReturn:
        """Refuse: APScheduler's export pickles."""
        raise ConfigurationError("export_jobs pickles; read the jobs over HTTP instead: GET /api/v1/jobs")

    def import_jobs(self, infile: Any, jobstore: str = "default") -> NoReturn:
        """Refuse: APScheduler's import unpickles."""
        raise ConfigurationError(
            "import_jobs unpickles; use scheduler-app import-apscheduler, or POST /api/v1/jobs/batch"
        )

    def _create_default_executor(self) -> NoExecutor:
        return NoExecutor()
