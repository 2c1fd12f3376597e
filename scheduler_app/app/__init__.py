"""The service: a Flask app that uses our own extension."""

import os
from collections.abc import Mapping
from pathlib import Path

from flask import Flask

from scheduler_app.app.loading import load_tasks
from scheduler_app.app.proxies import behind
from scheduler_app.extension.mount import mount_at_root
from scheduler_app.extension.origin import Origin
from scheduler_app.extension.scheduler import Scheduler
from scheduler_app.settings import (
    CONFIG,
    PREFIX,
    Settings,
    Sought,
    from_command_line,
    from_environment,
    from_toml,
    seek,
)

__all__ = ["create_app", "settings_of", "sought_settings"]


ITSELF = "scheduler_app.app:create_app"


def create_app(settings: Settings | None = None) -> Flask:
    """Build the service: `gunicorn 'scheduler_app:create_app()'`, settings from the environment unless given.

    Raises ConfigurationError when a setting or a tasks file is wrong.
    """
    settings = settings_of(os.environ) if settings is None else settings
    app = Flask("scheduler_app.app", instance_path=str(settings.data.absolute()), static_folder=None)
    scheduler = Scheduler()
    load_tasks(settings.tasks, demo=settings.demo)
    core = scheduler.wire(app, settings, origin=Origin(target=ITSELF, settings=settings))
    mount_at_root(app, lambda: core, hosts=(settings.host, *settings.hosts))
    if settings.proxies:
        app.wsgi_app = behind(settings.proxies, app.wsgi_app)  # type: ignore[assignment, method-assign]
    return app


def settings_of(environ: Mapping[str, str], given: Mapping[str, object] | None = None) -> Settings:
    """Return the settings of the command line, the environment, and the file that either names."""
    return sought_settings(environ, given).required()


def sought_settings(environ: Mapping[str, str], given: Mapping[str, object] | None = None) -> Sought:
    """Return the same, with every fault and the place that each value is from."""
    given = dict(given or {})
    file = given.pop(CONFIG, None) or environ.get(f"{PREFIX}{CONFIG.upper()}")
    files = [from_toml(Path(str(file)))] if file else []
    return seek(from_command_line(given), from_environment(environ), *files)
