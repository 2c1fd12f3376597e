"""Errors that no single call is to blame for."""

import io
import logging
from collections.abc import Callable

import pytest
from flask_openapi.openapi import OpenAPI

from scheduler_app.errors import StoreUnavailable
from tests.api.conftest import Caller, assert_problem, every, pointers

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"task": }', b"{} {}", b"\xff\xfe", b"nope", b"'a'", b'{"a": NaN}', b"[1,]"]
)
def test_malformed_json_is_told_as_such(call: Caller, body: bytes) -> None:
    assert_problem(call("POST", "/jobs", data=body, headers=JSON), 400, "malformed_json")


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b"true", b'"{}"', b'"{\\"task\\": \\"greet\\"}"'])
def test_json_that_is_no_object_is_invalid(call: Caller, body: bytes) -> None:
    problem = assert_problem(call("POST", "/jobs", data=body, headers=JSON), 422, "invalid")
    assert "must be a JSON object" in problem["detail"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml", ""]
)
def test_a_body_that_is_not_said_to_be_json_is_refused(call: Caller, kind: str) -> None:
    call.given_job("a")
    for method, path in (
        ("POST", "/jobs"),
        ("PATCH", "/jobs/a"),
        ("POST", "/jobs/a/pause"),
        ("POST", "/scheduler/resume"),
    ):
        response = call(method, path, data=b"{}", headers={"Content-Type": kind})
        assert_problem(response, 415, "unsupported_media_type")


def test_a_merge_patch_is_for_patch_only_and_a_body_is_not_unpacked(call: Caller) -> None:
    patch = {"Content-Type": "application/merge-patch+json"}
    assert_problem(call("POST", "/jobs", data=b"{}", headers=patch), 415)
    assert_problem(call("POST", "/jobs", data=b"{}", headers=JSON | {"Content-Encoding": "gzip"}), 415)


def test_a_charset_beside_the_type_is_no_harm(call: Caller) -> None:
    response = call(
        "POST", "/scheduler/resume", data=b"{}", headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert response.status_code != 415


def test_a_body_over_one_mib_is_refused_with_and_without_a_length(call: Caller) -> None:
    large = b'{"task": "' + b"x" * 1024 * 1024 + b'"}'
    assert_problem(call("POST", "/jobs", data=large, headers=JSON), 413, "too_large")
    stream = {"wsgi.input": io.BytesIO(large), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    assert_problem(call("POST", "/jobs", headers=JSON, environ_overrides=stream), 413, "too_large")


class BrokenStream:
    """A body whose chunks are none, as the server tells it."""

    def read(self, size: int = -1) -> bytes:
        raise OSError("Invalid chunk size: b'zz\\r\\n'")


def test_a_body_that_cannot_be_read_is_the_fault_of_who_sent_it(call: Caller) -> None:
    stream = {"wsgi.input": BrokenStream(), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    problem = assert_problem(call("POST", "/jobs", headers=JSON, environ_overrides=stream), 400, "malformed_json")
    assert "chunks that are none" in problem["detail"]


@pytest.mark.parametrize(
    ("query", "pointer", "words"),
    [
        ("stat=active", "/stat", "did you mean 'state'?"),
        ("state=activ", "/state", "'active', 'paused', 'finished' or 'broken', got 'activ'"),
        ("state=active,,paused", "/state", "got 'active,,paused'"),
        ("limit=0", "/limit", "greater than or equal to 1, got '0'"),
        ("limit=1001", "/limit", "less than or equal to 1000"),
        ("limit=ten", "/limit", "whole number"),
        ("limit=5.0", "/limit", "whole number"),
        ("limit=1&limit=2", "/limit", "given twice"),
        ("cursor=nonsense", "/cursor", "pattern"),
        ("cursor=", "/cursor", "pattern"),
        ("cursor=cnVuAAAAAAAAAAE", "/cursor", "pattern"),
        ("task=../etc", "/task", "pattern"),
        ("tag=%00", "/tag", "control characters"),
        ("state=" + ",".join(["active"] * 101), "/state", "at most 100"),
    ],
)
def test_a_bad_query_is_named(call: Caller, query: str, pointer: str, words: str) -> None:
    problem = assert_problem(call("GET", f"/jobs?{query}"), 400, "bad_query")
    assert pointers(problem) == [pointer]
    assert words in problem["detail"]


def test_a_call_without_parameters_refuses_any(call: Caller) -> None:
    for path in ("/tasks", "/tasks/greet", "/scheduler", "/jobs/a"):
        assert pointers(assert_problem(call("GET", f"{path}?x=1"), 400, "bad_query")) == ["/x"]


def test_a_method_that_is_not_answered_tells_those_that_are(call: Caller) -> None:
    response = call("PUT", "/jobs")
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD, POST"


def test_a_store_that_does_not_answer_is_told_with_a_time_to_come_back(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise StoreUnavailable("the store does not answer: database is locked")

    monkeypatch.setattr("scheduler_app.services.jobs.list_jobs", busy)
    response = call("GET", "/jobs")
    assert_problem(response, 503, "store_unavailable")
    assert response.headers["Retry-After"] == "1"


def test_the_unforeseen_is_logged_on_one_line_and_not_told(
    call: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("scheduler_app.services.jobs.get_job", fail)
    with caplog.at_level(logging.ERROR):
        problem = assert_problem(call("GET", "/jobs/a"), 500, "internal_error")

    assert "secret" not in str(problem)
    assert problem["request_id"] in caplog.text
    assert "a secret of the inside" in caplog.text


def test_what_a_task_returns_may_hold_text_that_is_no_unicode(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler_app.api.tasks.render_task", lambda task: {"name": "\ud800", "n": float("nan")})
    assert call("GET", "/tasks/greet").status_code == 200


def test_links_follow_the_place_where_the_api_is_mounted(build: Callable[..., OpenAPI], call: Caller) -> None:
    call.given_job("a")
    call.given_job("b")

    def mounted(method: str, path: str, **more: object) -> object:
        return call.client.open(
            path, method=method, headers=call.headers, environ_overrides={"SCRIPT_NAME": "/sched"}, **more
        )

    one_off = {"task": "greet", "kwargs": {"name": "A"}}
    added = mounted("POST", "/api/v1/jobs", json=one_off)
    assert added.headers["Location"].startswith("/sched/api/v1/jobs/")
    assert added.get_json()["last_run"]["href"] == "/sched/api/v1/runs/1"
    assert mounted("POST", "/api/v1/jobs/a/run").headers["Location"] == "/sched/api/v1/runs/2"
    assert mounted("GET", "/api/v1/jobs?limit=1").headers["Link"].startswith("</sched/api/v1/jobs?")
    page = mounted("GET", "/docs")
    assert 'src="/sched/docs/swagger-ui-bundle.js"' in page.text
    assert 'data-document="/sched/api/v1/openapi.json"' in page.text
    assert mounted("GET", "/api/v1/openapi.json").get_json()["servers"] == [{"url": "/sched"}]


def test_a_list_of_many_jobs_is_not_broken_by_a_strange_one(call: Caller) -> None:
    call.given_job("a", kwargs={"name": "\u2028 \U0001f600 \u0000"})
    call.given_job("b", trigger=every(hours=1))
    assert len(call("GET", "/jobs").get_json()["items"]) == 2
