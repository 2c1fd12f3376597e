"""`@task`: a function becomes a task, of every Scheduler or of one."""

from collections.abc import Callable
from typing import Any, overload

from scheduler_app.domain.spec import nearest, shown
from scheduler_app.domain.task import Registry, Task, default_registry
from scheduler_app.domain.trigger import KINDS
from scheduler_app.errors import ConfigurationError
from scheduler_app.extension.core import Core
from scheduler_app.extension.handles import P, R, TaskFunction, core_of_current_app


@overload
def task(function: Callable[P, R], /) -> TaskFunction[P, R]: ...
@overload
def task(*, name: str | None = None, **policies: Any) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...
def task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Register a function as a task of every Scheduler: `@task` or `@task(name="reports.send", max_retries=3)`.

    Raises ConfigurationError for a name or policy that cannot be, TaskNameTaken when another function has the name.
    """
    return registered(function, options, default_registry, core_of_current_app)


def spelt(trigger: Any) -> Any:
    """Return the trigger of a decorator; ConfigurationError when there is none of that type."""
    kind = trigger.get("type") if isinstance(trigger, dict) else trigger
    if isinstance(kind, str) and kind not in KINDS:
        raise ConfigurationError(
            f"@scheduler.task: a trigger is one of {', '.join(sorted(KINDS))}, got {shown(kind)}{nearest(kind, KINDS)}"
        )
    return trigger


def registered(
    function: Callable[..., Any] | None, options: dict[str, Any], registry: Registry, core: Callable[[], Core]
) -> Any:
    """Return a registered task, or the decorator that makes one."""

    def decorate(function: Callable[..., Any]) -> TaskFunction[..., Any]:
        return TaskFunction(registry.add(Task.of(function, **options)), core)

    if function is None:
        return decorate
    if not callable(function):
        raise ConfigurationError(
            f"@task takes a function or named options, got {function!r}; a job with a trigger is added by "
            "scheduler.add_job(id, task, trigger=...)"
        )
    return decorate(function)
