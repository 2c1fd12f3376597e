"""A WSGI app of its own that answers the API, served as it is or mounted under a prefix of another one."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Request, g, request
from flask_openapi.models.info import Info
from flask_openapi.models.reference import Reference
from flask_openapi.models.response import Response
from flask_openapi.models.security_scheme import SecurityScheme
from flask_openapi.openapi import OpenAPI
from werkzeug.routing import MapAdapter

from scheduler_app.api import (
    bulk,
    docs,
    engines,
    errors,
    events,
    forecast,
    health,
    jobs,
    keys,
    runs,
    scheduler,
    stats,
    tasks,
    trail,
    triggers,
)
from scheduler_app.api.contract import EXTENSION as CONTEXT
from scheduler_app.api.contract import answered
from scheduler_app.api.health import EXTENSION as READY
from scheduler_app.api.health import Readiness
from scheduler_app.api.holding import EXTENSION as HOLDING
from scheduler_app.api.holding import MOST, Holding
from scheduler_app.api.logins import Login
from scheduler_app.api.reading import MAX_BODY_BYTES
from scheduler_app.api.security import Guard
from scheduler_app.domain.text import one_line
from scheduler_app.schemas.problem import Problem
from scheduler_app.services.context import Context
from scheduler_app.services.hints import Hints

__all__ = ["Listening", "Pages", "Readiness", "create_api"]

LOG = logging.getLogger("scheduler_app.api")
NOUNS = (jobs, bulk, runs, forecast, stats, tasks, triggers, scheduler, engines, events, trail, keys, health)

INFO = Info(
    title="scheduler_app",
    version="1",
    description="Run a function now, later, every N seconds or by cron; see what every run did. Times are RFC 3339 in "
    "UTC, durations are seconds, errors are problem documents (RFC 9457), unknown fields and parameters are refused.",
)
SECURITY_SCHEMES: dict[str, SecurityScheme | dict[str, Any]] = {
    "bearer": SecurityScheme(type="http", scheme="bearer", description="An API key."),
}


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Pages beside the API, behind the same guard: which role each needs by endpoint, and which are open to all.

    `tell` renders a problem, as the API tells it, as a page.
    """

    blueprint: Blueprint
    tell: Callable[[Mapping[str, Any]], str]
    needs: Mapping[str, str] = field(default_factory=dict)
    open: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class Listening:
    """How many streams of events, and calls that wait, a process holds open at a time; none once it is `ending`."""

    streams: int = MOST
    ending: Callable[[], bool] = lambda: False


LISTENING = Listening()


class Api(OpenAPI):
    """A Flask app that logs the unforeseen on one line, whatever characters a path has."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function as it is: none of ours is a coroutine, and Flask asks that of each at each call."""
        return func

    def generate_spec_json(self) -> None:
        """Make the document."""
        self.components_schemas.update(answered())
        super().generate_spec_json()  # type: ignore[no-untyped-call]

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view of a request; no host is looked at for that, which the guard has done."""
        if request is None:
            return None
        return MapAdapter(
            self.url_map,
            request.host,
            request.root_path,
            "",
            request.scheme,
            request.path if request.environ.get("PATH_INFO") else "",
            request.method,
            request.query_string.decode(errors="replace"),
        )

    def log_exception(self, exc_info: Any) -> None:
        """Log an exception that no call foresaw; its answer is a 500 that tells only the request id."""
        what = f"{one_line(request.method)} {one_line(request.path)}"
        LOG.error("%s failed, request %s", what, g.get("request_id", "-"), exc_info=exc_info)


def create_api(
    ctx: Context,
    *,
    hosts: Collection[str] | None,
    ready: Callable[[], Readiness],
    login: Login | None = None,
    login_url: str | None = None,
    pages: Pages | None = None,
    listening: Listening = LISTENING,
) -> OpenAPI:
    """Build the API over `ctx`; the database is not touched before the first request.

    `hosts` are the names, beside loopback, under which it may be called; None checks nothing, which is right where
    another app in front does. `ready` is asked by `/readyz`, `login` for the role of who brings no key; who
    wants one of the `pages`, which are served beside it, and is not signed in there, is sent to `login_url`.
    `listening` says how many may follow what changes.
    """
    app = _bare()
    app.extensions[CONTEXT] = ctx
    app.extensions[READY] = ready
    app.extensions[HOLDING] = holding = Holding(ending=listening.ending, most=listening.streams)
    app.extensions[events.EXTENSION] = events.Streams(hints=Hints(ctx), clock=ctx.clock, holding=holding)
    errors.register(app)
    guard = Guard(ctx, hosts, login, login_url)
    guard.register(app)
    for noun in NOUNS:
        app.register_api(noun.calls)
    app.register_blueprint(docs.pages)
    if pages is not None:
        _add(pages, app, guard)
    return app


def _bare() -> Api:
    """Return an app of our habits, without calls."""
    app = Api(
        __name__,
        info=INFO,
        security_schemes=SECURITY_SCHEMES,
        validation_error_status=400,
        validation_error_model=Problem,
        doc_ui=False,
        static_folder=None,
    )
    app.openapi_version = "3.1.0"
    app.components.responses = _problems()
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    return app


def _problems() -> dict[str, Response | Reference]:
    """Return the problem responses for the OpenAPI document, by status."""
    content = {errors.PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): Response.model_validate({"description": means, "content": content})
        for status, means in errors.MEANINGS.items()
    }


def _add(pages: Pages, app: OpenAPI, guard: Guard) -> None:
    guard.admit_to(pages.needs, pages.open)
    app.extensions[errors.TELLER] = errors.Teller(blueprint=pages.blueprint.name, tell=pages.tell)
    app.register_blueprint(pages.blueprint)
