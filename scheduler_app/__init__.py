"""Durable background and scheduled jobs for Flask: now, later, every N seconds or by cron; over HTTP or from Python."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scheduler_app.app import create_app
    from scheduler_app.aps.jobstore import SqlJobStore
    from scheduler_app.engine.execution import current_run
    from scheduler_app.errors import RunCancelled, SchedulerError
    from scheduler_app.extension import Scheduler, task
    from scheduler_app.store.neighbours import include_name

__all__ = [
    "RunCancelled",
    "Scheduler",
    "SchedulerError",
    "SqlJobStore",
    "create_app",
    "current_run",
    "include_name",
    "task",
]

HOMES = {
    "RunCancelled": "scheduler_app.errors",
    "Scheduler": "scheduler_app.extension",
    "SchedulerError": "scheduler_app.errors",
    "SqlJobStore": "scheduler_app.aps.jobstore",
    "create_app": "scheduler_app.app",
    "current_run": "scheduler_app.engine.execution",
    "include_name": "scheduler_app.store.neighbours",
    "task": "scheduler_app.extension",
}


def __getattr__(name: str) -> Any:
    """Load a public name with its first use (PEP 562), so that the command line can refuse a platform in one line."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(HOMES[name]), name)
    return value
