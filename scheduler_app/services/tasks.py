"""The tasks that may be named."""

from scheduler_app.domain.task import Task
from scheduler_app.errors import NotFound, UnknownTask
from scheduler_app.services.context import Context


def list_tasks(*, ctx: Context) -> list[Task]:
    """Return every registered task, by name."""
    return list(ctx.registry)


def get_task(name: str, *, ctx: Context) -> Task:
    """Return a task; NotFound when it is not registered."""
    try:
        return ctx.registry.get(name)
    except UnknownTask as error:
        raise NotFound(error.detail) from None
