"""The one place that words the log lines of what happens."""

import logging
from typing import Any

from scheduler_app.domain.text import one_line
from scheduler_app.signals import (
    EngineMoved,
    EngineRescued,
    HistoryPruned,
    JobBroke,
    JobChanged,
    LateResultRefused,
    LoopFailed,
    RunEnded,
    WorkerFailed,
)

LOGGER = logging.getLogger("scheduler_app")


class LogReporter:
    """Writes events to the logger `scheduler_app`. A failed run is an error, with its traceback."""

    def __call__(self, event: Any) -> None:
        """Log an event."""
        report = REPORTS.get(type(event))
        if report is not None:
            report(event)

    def tells_successes(self) -> bool:
        """Whether it has a line for a run that ended well, at the level of its logger."""
        return LOGGER.isEnabledFor(logging.DEBUG)


def _run_ended(event: RunEnded) -> None:
    if event.error is None:
        LOGGER.debug(
            "run %d of job %s (%s) %s in %.3f s", event.run_id, event.job_id, event.task, event.state, event.duration
        )
        return
    LOGGER.error(
        "run %d of job %s (%s) %s at attempt %d%s\n%s",
        event.run_id,
        event.job_id,
        event.task,
        event.state,
        event.attempt,
        ", will retry" if event.will_retry else "",
        event.error,
    )


def _job_changed(event: JobChanged) -> None:
    LOGGER.debug("job %s %s", event.job_id, event.change)


def _late(event: LateResultRefused) -> None:
    LOGGER.warning("a late result of run %d was refused: it had been taken away meanwhile", event.run_id)


def _rescued(event: EngineRescued) -> None:
    LOGGER.warning(
        "engine %d is dead; %d of its runs are queued again, %d have ended",
        event.engine,
        len(event.requeued),
        len(event.ended),
    )


def _broke(event: JobBroke) -> None:
    LOGGER.error("job %s is broken and set aside: %s", event.job_id, one_line(event.reason))


def _loop_failed(event: LoopFailed) -> None:
    LOGGER.error(
        "the %s loop failed, again in %.1f s: %s: %s",
        event.loop,
        event.retry_in,
        type(event.error).__name__,
        one_line(str(event.error)),
    )


def _worker_failed(event: WorkerFailed) -> None:
    LOGGER.error("%s; the runs that want it wait", one_line(event.why))


def _pruned(event: HistoryPruned) -> None:
    LOGGER.info("%d old runs were deleted, and %d finished jobs with their last run", event.runs, event.jobs)


def _engine_moved(event: EngineMoved) -> None:
    LOGGER.info("engine %s %s", event.engine, event.move)


REPORTS: dict[type, Any] = {
    RunEnded: _run_ended,
    JobChanged: _job_changed,
    LateResultRefused: _late,
    EngineRescued: _rescued,
    JobBroke: _broke,
    LoopFailed: _loop_failed,
    WorkerFailed: _worker_failed,
    HistoryPruned: _pruned,
    EngineMoved: _engine_moved,
}
