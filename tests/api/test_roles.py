"""Every call states the role that it needs, and who has a lesser one is refused."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from flask_openapi.openapi import OpenAPI

from scheduler_app.api.roles import NEEDS
from scheduler_app.api.security import OPEN_ENDPOINTS
from scheduler_app.services.roles import Role
from tests.api.conftest import KEY, Caller, assert_problem, every

PART = re.compile(r"<(?:[a-z]+(?:\([^)]*\))?:)?([a-z_]+)>")
BODIES: dict[str, Any] = {
    "jobs.create_job": {"task": "greet", "kwargs": {"name": "Ada"}},
    "jobs.put_job": {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": every(minutes=5)},
    "jobs.change_job": {"name": "other"},
    "jobs.skip_firings": {"count": 1},
    "bulk.create_jobs": {"jobs": []},
    "bulk.act_on_jobs": {"action": "pause", "ids": ["a"]},
    "keys.create_key": {"name": "ops", "role": "viewer"},
    "triggers.preview_trigger": {"trigger": every(minutes=5)},
}


@pytest.fixture
def signed_in(build: Callable[..., OpenAPI], call: Caller) -> Callable[[object], FlaskClient]:
    """A client of an API in an app where somebody of a role is signed in; there is a job `a`, and its run 1."""
    call.given_job("a")
    call.given_run("a")
    return lambda role: build(login=lambda: role).test_client()


def calls(api: OpenAPI) -> list[tuple[str, str, str]]:
    """Endpoint, method and path of each call."""
    filled = {"job_id": "a", "name": "greet", "key_id": "99"}
    return [
        (rule.endpoint, method, PART.sub(lambda part: filled.get(part[1], "1"), rule.rule))
        for rule in api.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def test_every_call_is_open_or_states_its_role_and_no_other_is_stated(build: Callable[..., OpenAPI]):
    endpoints = {endpoint for endpoint, _, _ in calls(build())}
    assert endpoints == OPEN_ENDPOINTS | NEEDS.keys()


@pytest.mark.parametrize("role", [None, *Role])
def test_each_role_may_do_what_it_is_for_and_no_more(build, signed_in, role: Role | None):
    client = signed_in(role)
    for endpoint, method, path in calls(build()):
        if endpoint in OPEN_ENDPOINTS:
            continue
        answer = client.open(path, method=method, json=BODIES.get(endpoint))
        allowed = role is not None and list(Role).index(role) >= list(Role).index(NEEDS[endpoint])
        if role is None:
            assert_problem(answer, 401, "unauthorized")
        elif allowed:
            assert answer.status_code not in (401, 403), f"{role} may {method} {path}: {answer.text}"
        else:
            problem = assert_problem(answer, 403, "forbidden")
            assert f"needs the role {NEEDS[endpoint]}, and you have the role {role}" in problem["detail"]


def test_to_delete_many_needs_the_role_that_deleting_one_needs(signed_in):
    body = {"action": "delete", "ids": ["a"]}
    assert_problem(signed_in("operator").post("/api/v1/jobs/actions", json=body), 403, "forbidden")
    assert signed_in("admin").post("/api/v1/jobs/actions", json=body).status_code == 200


def test_a_key_is_good_without_a_login_and_another_bearer_token_is_the_logins(signed_in):
    nobody, viewer = signed_in(None), signed_in("viewer")
    assert nobody.get("/api/v1/jobs", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    assert_problem(nobody.get("/api/v1/jobs", headers={"Authorization": "Bearer wrong"}), 401)
    for number in range(30):
        answer = viewer.get("/api/v1/jobs", headers={"Authorization": f"Bearer token-{number}"})
        assert answer.status_code == 200, "the tokens of the app are no wrong keys"


@pytest.mark.parametrize("given", ["root", "", True, 1, ["admin"], object()])
def test_what_is_no_role_fails_and_opens_nothing(signed_in, caplog, given: object):
    assert_problem(signed_in(given).get("/api/v1/jobs"), 500, "internal_error")
    assert "a role is one of 'viewer', 'operator', 'admin', or None" in caplog.text


def test_a_login_that_raises_fails_is_logged_and_opens_nothing(build, caplog):
    def broken() -> str:
        raise RuntimeError("the user table is gone")

    problem = assert_problem(build(login=broken).test_client().get("/api/v1/jobs"), 500, "internal_error")
    assert "user table" not in problem["detail"]
    assert "the user table is gone" in caplog.text


CROSS = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:81"},
]
OWN = [{"Sec-Fetch-Site": "same-origin", "Origin": "https://rewritten.example"}, {"Origin": "http://localhost"}, {}]
WRITES = [
    ("POST", "/api/v1/jobs/a/pause", None),
    ("POST", "/api/v1/scheduler/pause", None),
    ("DELETE", "/api/v1/jobs/a", None),
    ("PATCH", "/api/v1/jobs/a", {"name": "x"}),
]


@pytest.mark.parametrize("headers", CROSS, ids=str)
@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_what_another_site_makes_a_browser_send_is_refused(signed_in, headers, method, path, body):
    client = signed_in("admin")
    assert_problem(client.open(path, method=method, json=body, headers=headers), 403, "cross_site")
    assert client.get("/api/v1/jobs/a").get_json()["version"] == 1


@pytest.mark.parametrize("headers", OWN, ids=str)
@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_what_the_own_site_or_a_script_sends_is_done(signed_in, headers, method, path, body):
    answer = signed_in("admin").open(path, method=method, json=body, headers=headers)
    assert answer.status_code in (200, 204), answer.text


@pytest.mark.parametrize("form", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/plain"])
def test_a_form_is_refused_also_without_a_body(signed_in, form: str):
    answer = signed_in("admin").post("/api/v1/jobs/a/pause", content_type=form)
    assert_problem(answer, 415, "unsupported_media_type")


def test_a_key_is_sent_by_no_browser_by_itself_and_needs_no_such_check(call: Caller):
    call.given_job("a")
    assert call("POST", "/jobs/a/pause", headers={"Origin": "https://evil.example"}).status_code == 200
