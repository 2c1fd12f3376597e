"""The scheduler thread: APScheduler's `BackgroundScheduler`, whose main loop and pass are ours.

APScheduler's own pass submits before it saves, and any error of a store or a trigger ends its thread while `running`
stays true. What remains of it is the front: its states, its thread, its `running`.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from apscheduler.executors.base import BaseExecutor
from apscheduler.schedulers import SchedulerAlreadyRunningError, SchedulerNotRunningError
from apscheduler.schedulers.background import BackgroundScheduler

from scheduler_app.engine.loop import Loop
from scheduler_app.errors import ConfigurationError


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

    def start(self, paused: bool = False) -> None:
        """Start the thread; starting twice changes nothing."""
        if self._loop is not None:
            return
        self._loop = self._new_loop()
        try:
            super().start(paused=paused)
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
        return bool(super().running) and (thread is None or thread.is_alive())

    def shutdown(self, wait: bool = True) -> None:
        """End the thread; a scheduler that does not run is left as it is."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        loop.stop()
        try:
            super().shutdown(wait=wait)
        except SchedulerNotRunningError:
            return

    def add_job(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a job of APScheduler lives in memory; name a registered task instead."""
        raise ConfigurationError(
            "add jobs through Scheduler.add_job(id, task, trigger=...), which keeps them in the store; "
            "the APScheduler inside would forget them"
        )

    def _create_default_executor(self) -> NoExecutor:
        return NoExecutor()
