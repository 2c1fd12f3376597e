"""Serve the API inside an app: under a prefix of a user's app, or beside the pages of our own service."""

import importlib
import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from scheduler_app.api.logins import Login
from scheduler_app.collector import loading
from scheduler_app.extension.core import API, Core

SERVED = "scheduler_app.extension.served"


class LazyApi:
    """The API as a WSGI app that is loaded and built when it is needed: importing an app, and its first run, wait not.

    That is with its first request, or before it, by `load`.
    """

    def __init__(self, core: Callable[[], Core], hosts: Collection[str] | None, login: Login | None = None) -> None:
        self._core_of = core
        self._login = login
        self._hosts = hosts
        self._building = threading.Lock()
        self._built: tuple[Core, Flask] | None = None

    @property
    def app(self) -> Flask:
        """The API's own Flask app, over the parts that the app has now."""
        core, built = self._core_of(), self._built
        if built is None or built[0] is not core:
            built = self._build(core)
        return built[1]

    def _build(self, core: Core) -> tuple[Core, Flask]:
        with self._building:
            if self._built is None or self._built[0] is not core:
                self._built = core, _loaded().create(core, self._hosts, self._login)
            return self._built

    @property
    def is_built(self) -> bool:
        """Whether no request has to wait for it any more."""
        return self._built is not None

    def load(self) -> None:
        """Be there before the first request."""
        self._build(self._core_of())

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        return self.app.wsgi_app(environ, start_response)


def _loaded() -> Any:
    """Load what answers requests; to look through it for garbage meanwhile takes a fifth of the time."""
    with loading():
        return importlib.import_module(SERVED)


def mount(
    app: Flask, core: Callable[[], Core], prefix: str, *, login: Login | None = None, own: Collection[str] = ()
) -> None:
    """Serve the API below a prefix of a user's app, whose server and host checks stand in front of it.

    `login` gives the role of who is signed in to the app.
    What is called like one of `own` right below the prefix stays with the app.
    """
    pages, lazy = app.wsgi_app, LazyApi(core, hosts=None, login=login)
    api = DispatcherMiddleware(pages, {prefix: lazy})
    app.extensions[API] = lazy

    def serve(environ: Any, start_response: Any) -> Iterable[bytes]:
        first = environ.get("PATH_INFO", "").removeprefix(prefix).strip("/").partition("/")[0]
        return (pages if first in own else api)(environ, start_response)

    app.wsgi_app = serve  # type: ignore[method-assign]


def mount_at_root(app: Flask, core: Callable[[], Core], hosts: Collection[str]) -> None:
    """Serve the pages and the API at the root of our own service."""
    app.wsgi_app = app.extensions[API] = LazyApi(core, hosts)  # type: ignore[method-assign]
