"""Serve the API inside an app: under a prefix of a user's app, or beside the pages of our own service."""

import threading
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from flask import Flask, g
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from scheduler_app import dashboard
from scheduler_app.api import Listening, Pages, Readiness, create_api
from scheduler_app.api.logins import Login
from scheduler_app.extension.core import Core

FEW_STREAMS = 2


class LazyApi:
    """The API as a WSGI app that is built with its first request, so that importing an app stays cheap."""

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
                ready, follow = partial(readiness, core), listening(core)
                api = create_api(
                    core.ctx,
                    hosts=self._hosts,
                    ready=ready,
                    login=self._login,
                    login_url=core.settings.login_url,
                    pages=pages_of(core, may_stream=follow.streams > 0),
                    listening=follow,
                )
                api.before_request(lambda: _settle(core))
                self._built = core, api
            return self._built

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        return self.app.wsgi_app(environ, start_response)


def listening(core: Core) -> Listening:
    """Return how many may follow what changes; few where nobody knows how many threads the server has."""
    streams = core.settings.event_streams
    few = FEW_STREAMS if streams is None else streams
    return Listening(streams=few, ending=lambda: core.engine.draining)


def pages_of(core: Core, *, may_stream: bool) -> Pages:
    """Return the pages over the parts of an app."""
    blueprint = dashboard.create_pages(core.ctx, may_stream=may_stream)
    return Pages(blueprint=blueprint, tell=dashboard.tell, needs=dashboard.NEEDS, open=dashboard.OPEN)


def mount(
    app: Flask, core: Callable[[], Core], prefix: str, *, login: Login | None = None, own: Collection[str] = ()
) -> None:
    """Serve the API below a prefix of a user's app, whose server and host checks stand in front of it.

    `login` gives the role of who is signed in to the app.
    What is called like one of `own` right below the prefix stays with the app.
    """
    pages = app.wsgi_app
    api = DispatcherMiddleware(pages, {prefix: LazyApi(core, hosts=None, login=login)})

    def serve(environ: Any, start_response: Any) -> Iterable[bytes]:
        first = environ.get("PATH_INFO", "").removeprefix(prefix).strip("/").partition("/")[0]
        return (pages if first in own else api)(environ, start_response)

    app.wsgi_app = serve  # type: ignore[method-assign]


def mount_at_root(app: Flask, core: Callable[[], Core], hosts: Collection[str]) -> None:
    """Serve the pages and the API at the root of our own service."""
    app.wsgi_app = LazyApi(core, hosts)  # type: ignore[method-assign]


def _settle(core: Core) -> None:
    """Write what the code declares before who may ask is answered; without an engine nobody else does."""
    if "key" in g:
        core.desk.settle()


def readiness(core: Core) -> Readiness:
    """Whether this process does what it is for: its store answers, and its engine, if it has one, is well."""
    engine = core.engine.checks()
    checks = {"database": core.answers(), **engine}
    ready = all(value is True for value in checks.values())
    if not engine:
        return Readiness(ready=ready, checks=checks)
    return Readiness(ready=ready, engine="drained" if core.engine.rescuer.is_drained else "here", checks=checks)
