"""Every operation of the API and of the pages asks for the role that it states, of whoever calls in whichever way."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask_openapi.openapi import OpenAPI
from werkzeug.test import TestResponse

from scheduler_app import dashboard
from scheduler_app.api.roles import NEEDS
from scheduler_app.api.security import OPEN_ENDPOINTS
from scheduler_app.services import keys, sessions
from scheduler_app.services.context import Context
from scheduler_app.services.keys import KeySpec
from scheduler_app.services.roles import Role, allows
from tests.api.browser import HOST, Browser
from tests.api.conftest import Caller
from tests.api.test_roles import BODIES, calls

ALL_NEEDS: Mapping[str, str] = {**NEEDS, **dashboard.NEEDS}
OPEN = {*OPEN_ENDPOINTS, *dashboard.OPEN}
Send = Callable[[str, str, str], TestResponse]

pytestmark = pytest.mark.sqlite


@pytest.fixture
def app(site: Callable[..., OpenAPI], call: Caller) -> OpenAPI:
    """An API with pages; there is a job `a`, and its run 1."""
    call.given_job("a")
    call.given_run("a")
    return site()


def is_page(endpoint: str) -> bool:
    return endpoint.startswith("pages.")


def is_refused(answer: TestResponse) -> bool:
    return answer.status_code in (401, 403) or (answer.status_code == 303 and "/sign-in" in answer.location)


@pytest.fixture
def by_bearer(app: OpenAPI, ctx: Context) -> Callable[[Role], Send]:
    def caller(role: Role) -> Send:
        secret = keys.create_key(KeySpec(name=f"bearer {role}", role=role), ctx=ctx).secret
        headers = {"Authorization": f"Bearer {secret}"}

        def send(endpoint: str, method: str, path: str) -> TestResponse:
            return app.test_client().open(path, method=method, json=BODIES.get(endpoint), headers=headers)

        return send

    return caller


@pytest.fixture
def by_session(app: OpenAPI, ctx: Context) -> Callable[[Role], Send]:
    def caller(role: Role) -> Send:
        secret = keys.create_key(KeySpec(name=f"session {role}", role=role), ctx=ctx).secret

        def send(endpoint: str, method: str, path: str) -> TestResponse:
            browser, token = Browser(app), sessions.sign_in(secret, address="", ctx=ctx)
            browser.keep(token)
            proof = sessions.csrf_token(token)
            if is_page(endpoint):
                data = {"csrf_token": proof} if method == "POST" else None
                return browser.client.open(path, method=method, data=data, base_url=HOST)
            body = {"headers": {"X-CSRF-Token": proof}, "json": BODIES.get(endpoint)}
            return browser.client.open(path, method=method, base_url=HOST, **body)

        return send

    return caller


@pytest.fixture
def by_login(app: OpenAPI, site: Callable[..., OpenAPI]) -> Callable[[Role], Send]:
    def caller(role: Role) -> Send:
        browser = Browser(site(login=lambda: role))

        def send(endpoint: str, method: str, path: str) -> TestResponse:
            if not is_page(endpoint):
                return browser.client.open(path, method=method, base_url=HOST, json=BODIES.get(endpoint))
            browser.keep("T" * 43, name="scheduler_csrf_8000")
            data = {"csrf_token": sessions.csrf_token("T" * 43)} if method == "POST" else None
            return browser.client.open(path, method=method, data=data, base_url=HOST)

        return send

    return caller


def operations(app: OpenAPI) -> list[tuple[str, str, str]]:
    return [found for found in calls(app) if found[0] not in OPEN]


def test_every_operation_is_open_or_states_its_role(app: OpenAPI):
    assert {endpoint for endpoint, _, _ in operations(app)} == set(ALL_NEEDS)


@pytest.mark.parametrize("way", ["by_bearer", "by_session", "by_login"])
@pytest.mark.parametrize("role", list(Role))
def test_each_may_do_what_the_role_is_for_and_no_more(
    app: OpenAPI, way: str, role: Role, request: pytest.FixtureRequest
):
    send = request.getfixturevalue(way)(role)
    for endpoint, method, path in operations(app):
        answer = send(endpoint, method, path)
        if allows(role, Role(ALL_NEEDS[endpoint])):
            assert not is_refused(answer) or endpoint == "pages.sign_out", f"{role} {method} {path}: {answer.text}"
        else:
            assert answer.status_code == 403, f"{role} {method} {path}: {answer.status_code}"


def test_nobody_may_do_anything(app: OpenAPI):
    for endpoint, method, path in operations(app):
        answer = app.test_client().open(path, method=method, json=BODIES.get(endpoint))
        assert is_refused(answer), f"{method} {path}: {answer.status_code}"
        assert is_page(endpoint) or answer.status_code == 401


def test_no_session_changes_anything_without_the_token(app: OpenAPI, ctx: Context, call: Caller):
    secret = keys.create_key(KeySpec(name="b", role=Role.ADMIN), ctx=ctx).secret
    for endpoint, method, path in operations(app):
        if method == "GET":
            continue
        browser = Browser(app)
        browser.keep(sessions.sign_in(secret, address="", ctx=ctx))
        body: dict[str, Any] = {"data": {}} if is_page(endpoint) else {"json": BODIES.get(endpoint)}
        answer = browser.client.open(path, method=method, base_url=HOST, **body)
        assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"
    assert call("GET", "/jobs/a").get_json()["version"] == 1
