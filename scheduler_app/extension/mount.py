"""Serve the API inside an app: under a prefix of a user's app, or beside the pages of our own service."""

import threading
from collections.abc import Collection, Iterable
from typing import Any

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from scheduler_app.api import Readiness, create_api
from scheduler_app.extension.core import Core

ROOT_PATHS = ("/api/", "/healthz", "/readyz", "/docs")


class LazyApi:
    """The API as a WSGI app that is built with its first request, so that importing an app stays cheap."""

    def __init__(self, core: Core, hosts: Collection[str] | None) -> None:
        self._core = core
        self._hosts = hosts
        self._building = threading.Lock()
        self._app: Flask | None = None

    @property
    def app(self) -> Flask:
        """The API's own Flask app."""
        with self._building:
            if self._app is None:
                self._app = create_api(self._core.ctx, hosts=self._hosts, ready=lambda: readiness(self._core))
            return self._app

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        return (self._app or self.app).wsgi_app(environ, start_response)


def mount(app: Flask, core: Core, prefix: str) -> None:
    """Serve the API below a prefix of a user's app, whose server and host checks stand in front of it."""
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {prefix: LazyApi(core, hosts=None)})  # type: ignore[method-assign]


def mount_at_root(app: Flask, core: Core, hosts: Collection[str]) -> None:
    """Serve the API at the root of our own service."""
    api, pages = LazyApi(core, hosts), app.wsgi_app

    def serve(environ: Any, start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        return (api if path.startswith(ROOT_PATHS) else pages)(environ, start_response)

    app.wsgi_app = serve  # type: ignore[method-assign]


def readiness(core: Core) -> Readiness:
    """Whether this process does what it is for: its store answers, and its engine, if it has one, is well."""
    checks = {"database": core.answers(), **core.engine.checks()}
    return Readiness(ready=all(value is True for value in checks.values()), checks=checks)

