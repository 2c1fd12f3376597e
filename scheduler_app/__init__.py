"""Durable background and scheduled jobs for Flask: now, later, every N seconds or by cron; over HTTP or from Python."""

from scheduler_app.app import create_app
from scheduler_app.engine.execution import current_run
from scheduler_app.errors import RunCancelled, SchedulerError
from scheduler_app.extension import Scheduler, task

__all__ = ["RunCancelled", "Scheduler", "SchedulerError", "create_app", "current_run", "task"]
