"""What answers requests, over the parts of an app: the API and the pages. Loaded by `mount`, when it is needed."""

from collections.abc import Collection
from functools import partial

from flask import Flask, g

from scheduler_app import dashboard
from scheduler_app.api.logins import Login
from scheduler_app.api.wsgi import Listening, Pages, Readiness, create_api
from scheduler_app.extension.core import Core

FEW_STREAMS = 2


def create(core: Core, hosts: Collection[str] | None, login: Login | None) -> Flask:
    """Build the API with the pages."""
    follow = listening(core)
    api = create_api(
        core.ctx,
        hosts=hosts,
        ready=partial(readiness, core),
        login=login,
        login_url=core.settings.login_url,
        pages=pages_of(core, may_stream=follow.streams > 0),
        listening=follow,
    )
    api.before_request(lambda: _settle(core))
    return api


def listening(core: Core) -> Listening:
    """Return how many may follow what changes; few where nobody knows how many threads the server has."""
    streams = core.settings.event_streams
    few = FEW_STREAMS if streams is None else streams
    return Listening(streams=few, ending=lambda: core.engine.draining)


def pages_of(core: Core, *, may_stream: bool) -> Pages:
    """Return the pages over the parts of an app."""
    blueprint = dashboard.create_pages(core.ctx, may_stream=may_stream)
    return Pages(blueprint=blueprint, tell=dashboard.tell, needs=dashboard.NEEDS, open=dashboard.OPEN)


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
