"""Tasks on the wire."""

from typing import Any

from pydantic import Field

from scheduler_app.domain.policy import POLICY_NAMES, Policies
from scheduler_app.domain.task import Task
from scheduler_app.schemas.fields import TaskName, WireIn, WireOut


class TaskPath(WireIn):
    """The task that a path names."""

    name: TaskName = Field(description="The name of the task.", examples=["send_report"])


class TaskOut(WireOut):
    """A task that jobs may name."""

    name: str
    doc: str = Field(description="What the task says of itself.")
    arguments: dict[str, Any] = Field(description="JSON Schema of its arguments.")
    defaults: dict[str, Any] = Field(description="The policies of its jobs unless they say otherwise.")
    rate_limit: str | None = Field(description="How often it may start, over all engines, like `10/m`. Null: no limit.")
    max_running: int | None = Field(
        description="How many of its runs execute at one time, over all engines. Null: no limit."
    )


class TaskList(WireOut):
    """Every registered task, by name."""

    items: list[TaskOut]
    next_cursor: None = Field(description="Always null: the list is complete.")


def render_task(task: Task) -> dict[str, Any]:
    """Return a task as `TaskOut` says."""
    defaults = Policies.resolve(task.overrides)
    return {
        "name": task.name,
        "doc": task.doc,
        "arguments": task.schema,
        "defaults": {name: getattr(defaults, name) for name in POLICY_NAMES},
        "rate_limit": None if task.rate_limit is None else str(task.rate_limit),
        "max_running": task.max_running,
    }
