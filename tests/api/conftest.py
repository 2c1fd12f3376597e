"""An API over a real SQLite file, with a clock that moves only when told, and no engine: runs stay queued."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from flask_openapi.openapi import OpenAPI
from werkzeug.test import TestResponse

from scheduler_app import dashboard
from scheduler_app.api.wsgi import Pages, Readiness, create_api
from scheduler_app.domain.task import Registry, Task
from scheduler_app.services.context import Context
from scheduler_app.services.keys import add_admin_key
from scheduler_app.signals import Bus
from scheduler_app.store.callers import api_keys
from scheduler_app.store.database import Database
from scheduler_app.store.keys import digest_of
from scheduler_app.testing.template import lay_store
from tests.clocks import NOW, SettableClock

__all__ = ["NOW", "SettableClock"]

KEY = "a-good-key"


@dataclass
class Caller:
    """A client that brings a key, and knows the paths."""

    client: FlaskClient
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {KEY}"})

    def __call__(self, method: str, path: str, json: Any = None, **more: Any) -> TestResponse:
        headers = self.headers | more.pop("headers", {})
        if json is not None:
            more["json"] = json
        return self.client.open(f"/api/v1{path}", method=method, headers=headers, **more)

    def given_job(self, job_id: str, **fields: Any) -> dict[str, Any]:
        content = {"id": job_id, "task": "greet", "kwargs": {"name": "Ada"}, "trigger": every(minutes=5)} | fields
        response = self("POST", "/jobs", content)
        assert response.status_code in (201, 202), response.text
        job: dict[str, Any] = response.get_json()
        return job

    def given_run(self, job_id: str, **content: Any) -> dict[str, Any]:
        response = self("POST", f"/jobs/{job_id}/run", content)
        assert response.status_code == 202, response.text
        run: dict[str, Any] = response.get_json()
        return run


def every(**units: float) -> dict[str, Any]:
    """An interval."""
    return {"type": "interval", **units}


def greet(name: str, times: int = 1) -> None:
    """Say hello."""


def total(numbers: list[float]) -> None:
    """Add numbers."""


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def ctx(scheduler_database: str, clock: SettableClock) -> Iterator[Context]:
    yield from new_context(scheduler_database, clock)


def know_key(tx: sa.Connection, now: datetime) -> None:
    """Make the key of the tests the one that the store has."""
    if tx.execute(api_keys.update().values(digest=digest_of(KEY))).rowcount == 0:
        add_admin_key(tx, KEY, now)


def new_context(url: str, clock: SettableClock) -> Iterator[Context]:
    """A store with a key and two tasks; it is closed afterwards."""
    database = Database(url, synchronous="OFF")
    if database.path is not None:
        lay_store(database.path)
    database.write(lambda tx: know_key(tx, clock.now()))
    registry = Registry()
    registry.add(Task.of(greet, max_retries=2))
    registry.add(Task.of(total))
    yield Context(database=database, registry=registry, clock=clock, bus=Bus(), wake=lambda: None)
    database.close()


@pytest.fixture
def build(ctx: Context) -> Callable[..., OpenAPI]:
    """Build an API, with other guards if they are given."""

    def make(**guards: Any) -> OpenAPI:
        return create_api(ctx, **({"hosts": (), "ready": lambda: Readiness(ready=True)} | guards))

    return make


@pytest.fixture
def call(build: Callable[..., OpenAPI]) -> Caller:
    return Caller(build().test_client())


def assert_problem(response: TestResponse, status: int, code: str | None = None) -> dict[str, Any]:
    """The answer is a problem document of that status and code."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    problem: dict[str, Any] = response.get_json(force=True)
    assert set(problem) == {"type", "title", "status", "detail", "code", "errors", "request_id"}
    assert problem["status"] == status
    assert code is None or problem["code"] == code
    assert problem["request_id"] == response.headers["X-Request-ID"]
    return problem


def pointers(problem: dict[str, Any]) -> list[str]:
    """The fields that a problem blames."""
    return [fault["pointer"] for fault in problem["errors"]]


@pytest.fixture
def site(build: Callable[..., OpenAPI], ctx: Context) -> Callable[..., OpenAPI]:
    """Build the API and the pages beside it."""

    def make(**guards: Any) -> OpenAPI:
        pages = Pages(
            blueprint=dashboard.create_pages(ctx), tell=dashboard.tell, needs=dashboard.NEEDS, open=dashboard.OPEN
        )
        return build(pages=pages, **guards)

    return make
