"""The Flask extension: wires everything into an app."""

from scheduler_app.extension.scheduler import Scheduler, task

__all__ = ["Scheduler", "task"]
