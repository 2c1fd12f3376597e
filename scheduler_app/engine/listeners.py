"""Tell APScheduler's listeners what happens. They run in a thread of their own, where a slow one delays no firing.

Without that thread, when nothing was started or a test's clock drives, they are called where it happens.
"""

import json
import queue
import threading
from collections.abc import Callable
from typing import Any

from apscheduler.events import (
    EVENT_JOB_ADDED,
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    EVENT_JOB_MODIFIED,
    EVENT_JOB_REMOVED,
    JobEvent,
    JobExecutionEvent,
)

from scheduler_app.domain.run import RunState
from scheduler_app.signals import FiringsMissed, JobChanged, RunEnded

ALIAS = "default"
LEAVE_AFTER = 1.0
CHANGES = {"added": EVENT_JOB_ADDED, "deleted": EVENT_JOB_REMOVED}
ENDS = {
    RunState.SUCCEEDED: EVENT_JOB_EXECUTED,
    RunState.FAILED: EVENT_JOB_ERROR,
    RunState.TIMED_OUT: EVENT_JOB_ERROR,
}


class Listeners:
    """Hands what is announced on the bus to an APScheduler's listeners, in APScheduler's words."""

    def __init__(self, dispatch: Callable[[Any], None], *, is_heard: Callable[[], bool]) -> None:
        self._dispatch = dispatch
        self.is_heard = is_heard
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to call listeners in a thread."""
        self._thread = threading.Thread(target=self._deliver, name="scheduler-listeners", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the thread deliver what waits, and end; a listener that hangs is not waited for."""
        thread, self._thread = self._thread, None
        self._waiting.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(LEAVE_AFTER)

    def _deliver(self) -> None:
        while (event := self._waiting.get()) is not None:
            self._dispatch(event)

    def __call__(self, event: Any) -> None:
        """Tell the listeners of one event of ours. Who changes a job hears of it before the call returns."""
        if not self.is_heard():
            return
        if isinstance(event, JobChanged):
            self._dispatch(JobEvent(CHANGES.get(event.change, EVENT_JOB_MODIFIED), event.job_id, ALIAS))
        elif isinstance(event, FiringsMissed):
            self._tell(JobExecutionEvent(EVENT_JOB_MISSED, event.job_id, ALIAS, event.until))
        elif isinstance(event, RunEnded) and event.state in ENDS:
            self._tell(_execution(event))

    def _tell(self, event: Any) -> None:
        if self._thread is None:
            self._dispatch(event)
        else:
            self._waiting.put(event)


def _execution(event: RunEnded) -> JobExecutionEvent:
    return JobExecutionEvent(
        ENDS[RunState(event.state)],
        event.job_id,
        ALIAS,
        event.scheduled_at,
        retval=None if event.result is None else json.loads(event.result),
        exception=event.exception,
        traceback=event.error,
    )
