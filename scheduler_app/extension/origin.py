"""Where an app comes from: how a worker process builds it once more, without an engine."""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from flask import Flask
from flask.cli import ScriptInfo

from scheduler_app.engine.workers import Recipe
from scheduler_app.errors import ConfigurationError, WorkerUnavailable
from scheduler_app.settings import Settings

WORKER = "scheduler_app.extension.worker_process"
FOUND_BY_FLASK = ("wsgi.py", "app.py")
UNKNOWN = (
    "how a worker process builds this app is not known; say it, for example SCHEDULER_APP = 'myapp:create_app', "
    "or let the task run in a thread"
)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """`target` is what `flask --app` takes, `module:factory`; with `settings`, a factory that is called with them."""

    target: str
    settings: Settings | None = None


Whence = Callable[[], Origin | None]


def whence(app: Flask, settings: Settings) -> Whence:
    """Return who knows the app's origin: the setting, the `flask` command, or the module that holds the app."""
    named = settings.app or _named_to_flask()
    if named is not None:
        origin = Origin(target=named)
        return lambda: origin
    return lambda: _held_by_module(app)


def _named_to_flask() -> str | None:
    context = click.get_current_context(silent=True)
    if context is not None and isinstance(context.obj, ScriptInfo):
        found = (name for name in FOUND_BY_FLASK if Path(name).is_file())
        return context.obj.app_import_path or next(found, None)
    return os.environ.get("FLASK_APP") or None


def _held_by_module(app: Flask) -> Origin | None:
    module = sys.modules.get(app.import_name)
    if module is None or app.import_name == "__main__":
        return None
    name = next((name for name, value in vars(module).items() if value is app), None)
    return None if name is None else Origin(target=f"{app.import_name}:{name}")


def recipe_of(known: Whence) -> Recipe:
    """Return how a worker process is started now. Raises WorkerUnavailable when nobody knows the app's origin."""
    origin = known()
    if origin is None:
        raise WorkerUnavailable(UNKNOWN)
    given = origin.settings
    return Recipe(
        command=(_python(), "-m", WORKER),
        hello={
            "target": origin.target,
            "settings": None if given is None else given.model_dump(mode="json"),
            "path": sys.path,
            "level": logging.getLogger().level,
        },
    )


def _python() -> str:
    """Return the interpreter, also in a server that embeds it."""
    if "python" in Path(sys.executable or "").name.lower():
        return sys.executable
    return str(Path(sys.exec_prefix, "bin", "python3"))


def require(known: Whence, task: str) -> None:
    """Raise ConfigurationError when a task wants a process and nobody knows how to build its app there."""
    if known() is None:
        raise ConfigurationError(f"task {task} has executor 'process', and {UNKNOWN}")
