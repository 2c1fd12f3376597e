"""An app lends its Scheduler to a test, and gets it back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask

from scheduler_app.aps.declarations import Declared
from scheduler_app.domain.task import Registry, default_registry
from scheduler_app.extension.core import Core
from scheduler_app.extension.scheduler import CORE, Scheduler


@contextmanager
def borrowed(scheduler: Scheduler, app: Flask, core: Core) -> Iterator[None]:
    """Put other parts under an app for a while.

    What a test defines inside its functions, tasks and their jobs, goes with it, so that another may use the names.
    """
    before: Core = app.extensions[CORE]
    latest = scheduler._latest
    tasks = [(registry, frozenset(registry._tasks)) for registry in (scheduler.registry, default_registry)]
    declared, said = [*scheduler._declared], [*before.desk.declared.said]
    scheduler.replace_core(app, core)
    try:
        yield
    finally:
        scheduler.replace_core(app, before)
        scheduler._latest = latest
        scheduler._desks.discard(core.desk)
        for registry, known in tasks:
            _forget_local(registry, known)
        scheduler._declared = _without_local(scheduler._declared, declared)
        before.desk.declared.said = _without_local(before.desk.declared.said, said)


def _without_local(declared: list[Declared], known: list[Declared]) -> list[Declared]:
    return [one for one in declared if one in known or not _is_local(one.given["func"])]


def _forget_local(registry: Registry, known: frozenset[str]) -> None:
    for name, task in list(registry._tasks.items()):
        if name not in known and _is_local(task.function):
            del registry._tasks[name]


def _is_local(function: Any) -> bool:
    """Whether a function stands inside another one: what a module has may be imported by a test first, and stays."""
    return "<locals>" in getattr(function, "__qualname__", "")
