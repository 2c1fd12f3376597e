"""Who may ask, under which name, and what every answer carries."""

from collections.abc import Callable

import pytest
from flask_openapi.openapi import OpenAPI

from scheduler_app.services.context import Context
from tests.api.conftest import KEY, Caller, SettableClock, assert_problem

Build = Callable[..., OpenAPI]
GOOD = {"Authorization": f"Bearer {KEY}"}
STRICT = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer  ", f"Basic {KEY}", KEY, f"Bearer {'x' * 300}"])
def test_a_call_without_a_key_is_refused(build: Build, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = build().test_client().get("/api/v1/jobs", headers=headers)
    assert_problem(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_everything_under_the_api_needs_a_key_and_what_is_open_is_listed(build: Build) -> None:
    client = build().test_client()
    for path in ("/api/v1/jobs", "/api/v1/tasks", "/api/v1/scheduler", "/api/v1/nothing", "/api/v1/runs/1/log"):
        assert_problem(client.get(path), 401)
    assert_problem(client.delete("/api/v1/jobs"), 401)
    for path in (
        "/healthz",
        "/readyz",
        "/docs",
        "/docs/",
        "/docs/start.js",
        "/docs/swagger-ui.css",
        "/api/v1/openapi.json",
    ):
        with client.get(path) as response:
            assert response.status_code == 200
    assert_problem(client.get("/favicon.ico"), 404)
    assert_problem(client.post("/healthz"), 405)


def test_a_key_may_be_written_with_any_case_of_bearer(build: Build) -> None:
    assert build().test_client().get("/api/v1/jobs", headers={"Authorization": f"bEARER {KEY}"}).status_code == 200


def test_wrong_keys_are_limited_by_address_and_never_lock_out_a_good_one(build: Build, clock: SettableClock) -> None:
    client = build().test_client()

    def ask(key: str, address: str = "203.0.113.7") -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return client.get("/api/v1/tasks", headers=headers, environ_base={"REMOTE_ADDR": address}).status_code

    assert [ask(f"wrong-{n}") for n in range(10)] == [401] * 10
    assert ask("wrong") == 429
    assert ask(KEY) == 200
    assert ask("wrong", address="203.0.113.8") == 401
    clock.advance(61)
    assert ask("wrong") == 401


def test_too_many_wrong_keys_tell_when_to_come_back(call: Caller) -> None:
    for n in range(10):
        assert_problem(call("GET", "/jobs", headers={"Authorization": f"Bearer wrong-{n}"}), 401)
    response = call("GET", "/jobs", headers={"Authorization": "Bearer wrong-10"})
    assert_problem(response, 429, "too_many_failures")
    assert response.headers["Retry-After"] == "60"


def test_one_wrong_key_again_and_again_is_refused_later(call: Caller) -> None:
    statuses = [call("GET", "/jobs", headers={"Authorization": "Bearer wrong"}).status_code for _ in range(61)]
    assert statuses == [401] * 60 + [429]
    assert call("GET", "/jobs").status_code == 200


def test_a_key_is_read_from_the_store_once_in_a_few_seconds(
    call: Caller, ctx: Context, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("GET", "/tasks").status_code == 200
    monkeypatch.setattr("scheduler_app.api.security.authenticate", lambda secret, *, ctx: None)
    assert call("GET", "/tasks").status_code == 200
    clock.advance(6)
    assert_problem(call("GET", "/tasks"), 401)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:80", "[::1]:5000", "jobs.example.org", "localhost."]
)
def test_a_known_host_is_answered(build: Build, host: str) -> None:
    client = build(hosts=["jobs.example.org"]).test_client()
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost:8000:1",
        "a b",
        "localhost@evil",
        "[::2]",
        "x" * 300,
    ],
)
def test_an_unknown_host_is_refused(build: Build, host: str) -> None:
    client = build(hosts=["jobs.example.org"]).test_client()
    for path in ("/api/v1/jobs", "/docs", "/healthz"):
        assert_problem(client.get(path, headers=GOOD | {"Host": host}), 400, "bad_host")


def test_any_host_is_answered_where_another_app_is_in_front(build: Build) -> None:
    client = build(hosts=None).test_client()
    assert client.get("/api/v1/jobs", headers=GOOD | {"Host": "app.example.org"}).status_code == 200


def test_answers_carry_security_headers(call: Caller) -> None:
    for response in (
        call("GET", "/jobs"),
        call("GET", "/none"),
        call("POST", "/jobs", {}),
        call.client.get("/healthz"),
    ):
        assert response.headers["Content-Security-Policy"] == STRICT
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"
        assert not [name for name, _ in response.headers if name.lower().startswith("access-control")]


def test_a_harmless_request_id_is_echoed_and_another_one_replaced(call: Caller) -> None:
    assert call("GET", "/jobs", headers={"X-Request-ID": "abc-123"}).headers["X-Request-ID"] == "abc-123"
    for harmful in ("a b", "x" * 65, "<script>", "a_b", ""):
        given = call("GET", "/jobs/none", headers={"X-Request-ID": harmful})
        assert given.headers["X-Request-ID"] != harmful
        assert_problem(given, 404)
