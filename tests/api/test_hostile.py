"""Hundreds of requests that mean harm, or nothing: none becomes a 5xx, and each refusal is a problem document."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from scheduler_app.api.wsgi import Readiness, create_api
from tests.api.conftest import Caller, SettableClock, every, new_context
from tests.postgres import TEMPLATE

PLAIN = {"task": "greet", "kwargs": {"name": "Ada"}, "trigger": every(minutes=5)}
DIGITS = "9" * 5000


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def hostile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    url = f"sqlite:///{tmp_path_factory.mktemp('hostile')}/scheduler.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").fresh(TEMPLATE)
    contexts = new_context(url, SettableClock())
    ctx = next(contexts)
    call = Caller(create_api(ctx, hosts=(), ready=lambda: Readiness(ready=True)).test_client())
    call.given_job("a")
    call.given_run("a")
    yield call
    next(contexts, None)


def raw(name: str, value: str) -> str:
    """The JSON of a job in which one field is written as it stands."""
    rest = {key: item for key, item in PLAIN.items() if key != name}
    return json.dumps(rest)[:-1] + f', "{name}": {value}}}'


def deep(opening: str, closing: str, levels: int) -> str:
    return opening * levels + "1" + closing * levels


WRONG_VALUES = [
    "null",
    "true",
    "-1",
    "1e999",
    "-1e999",
    DIGITS,
    "1.5",
    '""',
    '"\\u0000"',
    '"\\ud800"',
    "[]",
    "{}",
    "[[]]",
]
FIELDS = [
    "id",
    "name",
    "task",
    "args",
    "kwargs",
    "trigger",
    "tags",
    "timeout",
    "max_retries",
    "overlap",
    "concurrency_key",
]
BODIES = [
    *(raw(field, value) for field in FIELDS for value in WRONG_VALUES),
    *(raw("kwargs", deep('{"a":', "}", levels)) for levels in (63, 64, 65, 199, 201, 5000, 100_000)),
    *(raw("args", deep("[", "]", levels)) for levels in (62, 63, 64, 250, 50_000)),
    raw("trigger", deep('{"type":"or","triggers":[', "]}", 30)),
    raw("trigger", deep('{"type":"or","triggers":[', "]}", 3000)),
    deep("[", "]", 400_000),
    "[" * 400_000,
    '{"a":' * 150_000,
    raw("kwargs", '{"name": NaN}'),
    raw("kwargs", '{"name": Infinity}'),
    raw("kwargs", '{"name": "A", "name": "B"}'),
    raw("kwargs", '{"name": "A", "times": ' + DIGITS + "}"),
    raw("kwargs", '{"name": "A", "times": 123456789012345678901234567890}'),
    raw("kwargs", '{"name": "A", "times": 1e308}'),
    raw("kwargs", '{"\\udfff": 1}'),
    raw("kwargs", '{"name": "\\ud83d"}'),
    raw("kwargs", '{"__class__": 1, "self": 2, "name": "A"}'),
    raw("kwargs", json.dumps({"name": "x" * 70_000})),
    raw("kwargs", json.dumps({f"k{n}": n for n in range(50_000)})),
    raw("trigger", json.dumps({"type": "cron", "expression": "* * 30 2 *"})),
    raw("trigger", json.dumps({"type": "cron", "expression": "*" * 10_000})),
    raw("trigger", json.dumps({"type": "cron", "expression": "*/0 * * * *"})),
    raw("trigger", json.dumps({"type": "cron", "expression": "0 9 * * *", "timezone": "../../etc/passwd"})),
    raw("trigger", json.dumps({"type": "cron", "expression": "0 9 * * *", "timezone": "x" * 10_000})),
    raw("trigger", '{"type": "interval", "seconds": 1e308}'),
    raw("trigger", '{"type": "interval", "seconds": 1e-308}'),
    raw("trigger", '{"type": "interval", "seconds": 1e999}'),
    raw("trigger", '{"type": "interval", "weeks": ' + "9" * 400 + "}"),
    raw("trigger", '{"type": "date", "run_date": "9999-12-31T23:59:59-23:59"}'),
    raw("trigger", '{"type": "date", "run_date": "0001-01-01T00:00:00+23:59"}'),
    raw("trigger", '{"type": "date", "run_date": 1e18}'),
    raw("trigger", '{"type": ["interval"]}'),
    raw("trigger", '{"type": {"$ref": "#"}}'),
    raw("task", '"os:system"'),
    raw("task", "\"__import__('os').system\""),
    raw("tags", json.dumps(["x"] * 10_000)),
    raw("tags", json.dumps(["x\r\nSet-Cookie: a=b"])),
    raw("name", '"\\u001b]0;owned\\u0007"'),
    raw("id", '"../../etc/passwd"'),
    raw("id", '"a%00b"'),
    json.dumps({f"x{n}": n for n in range(60_000)}),
    "{}",
    "\ufeff{}",
    "\x00",
]
BODY_CALLS = [
    "POST /jobs",
    "PUT /jobs/a",
    "PUT /jobs/b",
    "PATCH /jobs/a",
    "POST /jobs/a/run",
    "POST /jobs/a/pause",
    "POST /jobs/batch",
    "POST /jobs/actions",
]
PATHS = [
    "/jobs/%00",
    "/jobs/%0d%0aSet-Cookie:a=b",
    "/jobs/..",
    "/jobs/../runs",
    "/jobs/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/jobs//",
    "//jobs",
    "/jobs/" + "x" * 5000,
    "/jobs/%ff%fe",
    "/jobs/%ed%a0%80",
    "/jobs/a/b/c",
    "/jobs/a;x=1",
    "/jobs/'%20OR%201=1--",
    "/runs/0x10",
    "/runs/1e3",
    "/runs/" + DIGITS,
    "/runs/-9223372036854775809",
    "/runs/9223372036854775808",
    "/runs/1%00",
    "/runs/%D9%A1",
    "/runs/1/log/../../..",
    "/tasks/%2F",
    "/tasks/" + "a" * 5000,
    "/tasks/__class__",
    "/openapi.json/x",
    "/../../docs/../etc/passwd",
    "/%2e%2e/%2e%2e/healthz",
    "/jobs%3Fstate=x",
]
QUERIES = [
    "/jobs?cursor=am9i",
    "/jobs?cursor=am9i_w",
    "/jobs?cursor=am9i" + "_" * 256,
    "/jobs?cursor=am9i" + "A" * 5000,
    "/jobs?cursor=%00",
    "/jobs?cursor=am9iAAAA%0a",
    "/jobs?cursor[]=a",
    "/jobs?limit=" + DIGITS,
    "/jobs?limit=-1",
    "/jobs?limit=%D9%A1",
    "/jobs?limit=1e2",
    "/jobs?limit=%2B5",
    "/jobs?state=%ff",
    "/jobs?tag=" + "a," * 3000,
    "/jobs?tag='%20OR%201=1--",
    "/jobs?tag=%ed%a0%80",
    "/jobs?__proto__=1",
    "/jobs?" + "&".join(f"a{n}=1" for n in range(900)),
    "/runs?cursor=cnVu__________8",
    "/runs?cursor=cnVu__________9",
    "/runs?cursor=cnVu",
    "/runs?from=0001-01-01T00:00:00Z",
    "/runs?from=9999-12-31T23:59:59.999999999Z",
    "/runs?to=0001-01-01T00:00:00%2B23:59",
    "/runs?from=now",
    "/runs?since=x",
    "/runs?from=2030-01-01T00:00:60Z",
    "/runs?from=2030-01-01T24:00:00Z",
    "/runs?job_id=" + "a," * 200,
    "/runs?origin=magic",
    "/jobs?sort=" + "id," * 500,
    "/jobs?sort=id;DROP%20TABLE%20scheduler_jobs",
    "/jobs?sort=-next_run_time&cursor=" + "_" * 308,
    "/jobs?cursor=" + "A" * 20,
    "/jobs?q=%25_%27%22--",
    "/jobs?q=" + "%F0%9F%98%80" * 191,
    "/jobs?q=%00",
    "/jobs?next_run_before=0001-01-01T00:00:00%2B23:59",
    "/jobs?next_run_before=9999-12-31T23:59:59-23:59",
    "/jobs?trigger=os:system",
    "/runs?sort=-finished_at&cursor=" + "-" * 40,
    "/jobs/a/forecast?limit=" + DIGITS,
    "/jobs/a/forecast?limit=1000",
    "/jobs/..%2f/forecast",
    "/upcoming?within=" + DIGITS,
    "/upcoming?within=31622400&limit=1000",
    "/upcoming?within=1e9",
    "/upcoming?within=-1",
    "/upcoming?within=0.5",
    "/jobs/a?dry_run=true",
    "/jobs?dry_run=" + "true," * 100,
    "/runs/1/log?offset=" + DIGITS,
    "/runs/1/log?offset=999999999999999",
    "/runs/1/log?offset=-0",
    "/runs/1/log?offset=NaN",
]
METHODS = ["TRACE", "OPTIONS", "CONNECT", "PROPFIND", "GARBAGE"]
HEADERS: list[dict[str, str]] = [
    {"If-Match": '"' + DIGITS + '"'},
    {"If-Match": "\xff"},
    {"If-Match": '"1'},
    {"If-Match": ";;;"},
    {"If-None-Match": "\xff"},
    {"If-None-Match": "*, *"},
    {"Idempotency-Key": ""},
    {"Idempotency-Key": "\x7f\xa0"},
    {"Idempotency-Key": "k" * 10_000},
    {"Idempotency-Key": "a, b"},
    {"Prefer": "respond-async"},
    {"X-Forwarded-Prefix": "//evil.example"},
    {"Forwarded": "for=127.0.0.1;host=evil.example"},
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Type": "application/json" * 500},
    {"Content-Type": "application/merge-patch+json"},
    {"Content-Type": "\xff"},
    {"Content-Encoding": "gzip"},
    {"Authorization": "Bearer \xff\xfe"},
    {"Authorization": "Bearer " + "x" * 100_000},
    {"X-Request-ID": "\xff" * 100},
    {"Accept": "text/html"},
    {"X-HTTP-Method-Override": "DELETE"},
    {"Content-Length": "-1"},
    {"Content-Length": "many"},
    {"Transfer-Encoding": "chunked"},
    {"Host": "evil.example"},
    {"Host": "[::1"},
    {"Range": "bytes=0-"},
    {"Expect": "x"},
]


def harmless(response: Any) -> None:
    assert response.status_code < 500, response.text[:500]
    if response.status_code >= 400:
        problem = response.get_json(force=True)
        assert response.content_type == "application/problem+json"
        assert set(problem) == {"type", "title", "status", "detail", "code", "errors", "request_id"}
        assert problem["status"] == response.status_code
        assert "Traceback" not in problem["detail"]
        assert len(response.data) < 64 * 1024
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_hostile_body_does_no_harm(hostile: Caller, body: str) -> None:
    data, kind = body.encode(), {"Content-Type": "application/json"}
    for call in BODY_CALLS:
        harmless(hostile(*call.split(" "), data=data, headers=kind))
    harmless(hostile("POST", "/jobs/batch", data=b'{"jobs": [' + data + b"]}", headers=kind))
    harmless(hostile("POST", "/jobs?dry_run=true", data=data, headers=kind | {"Idempotency-Key": body[:9] or "k"}))
    harmless(hostile("GET", "/jobs"))


@pytest.mark.parametrize("value", WRONG_VALUES)
@pytest.mark.parametrize(
    "field",
    ["jobs", "action", "ids", "filter", "reason", "count", "after", "until", "state", "task", "tag", "q", "__class__"],
)
def test_a_hostile_value_of_any_other_field_does_no_harm(hostile: Caller, field: str, value: str) -> None:
    kind = {"Content-Type": "application/json"}
    for call in ("POST /jobs/batch", "POST /jobs/actions", "POST /triggers/preview", "POST /scheduler/resume"):
        harmless(hostile(*call.split(" "), data=f'{{"{field}": {value}}}', headers=kind))
    for inner in ('"action": "pause"', '"action": "run"', '"ids": ["a"], "action": "resume"'):
        harmless(hostile("POST", "/jobs/actions", data=f'{{{inner}, "{field}": {value}}}', headers=kind))
    chosen = f'{{"action": "delete", "filter": {{"{field}": {value}, "q": "no such"}}}}'
    harmless(hostile("POST", "/jobs/actions", data=chosen, headers=kind))
    harmless(hostile("POST", "/runs/1/retry", data=f'{{"{field}": {value}}}', headers=kind))
    assert hostile("GET", "/jobs/a").status_code == 200


@pytest.mark.parametrize("levels", [65, 100, 250, 100_000])
def test_a_body_nested_too_deep_is_refused_before_anything_else(hostile: Caller, levels: int) -> None:
    for content in (deep("[", "]", levels), deep('{"a":', "}", levels)):
        response = hostile("POST", "/jobs", data=content, headers={"Content-Type": "application/json"})
        assert response.status_code == 400
        assert response.get_json(force=True)["code"] == "malformed_json"


@pytest.mark.parametrize("body", [body for body in BODIES if '"trigger"' in body and len(body) < 5000], ids=repr)
def test_a_hostile_trigger_does_no_harm_in_a_preview(hostile: Caller, body: str) -> None:
    try:
        trigger = json.dumps({"trigger": json.loads(body)["trigger"], "count": 1000})
    except (ValueError, RecursionError):
        trigger = body
    harmless(hostile("POST", "/triggers/preview", data=trigger, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize("path", [*PATHS, *QUERIES], ids=lambda path: path[:60])
def test_a_hostile_path_does_no_harm(hostile: Caller, path: str) -> None:
    for method in ("GET", "DELETE" if "/jobs/a" not in path else "HEAD", "PUT", *METHODS[:2]):
        response = hostile(method, path)
        assert response.status_code < 500
        if method == "GET":
            harmless(response)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/jobs", "/jobs/a", "/runs/1", "/scheduler/pause", "/nothing"])
def test_a_wrong_method_does_no_harm(hostile: Caller, method: str, path: str) -> None:
    response = hostile(method, path)
    harmless(response)
    assert response.status_code in (404, 405)


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: str(headers)[:50])
def test_a_hostile_header_does_no_harm(hostile: Caller, headers: dict[str, str]) -> None:
    body = json.dumps({"name": "n"}).encode()
    for method, path in (
        ("PATCH", "/jobs/a"),
        ("PUT", "/jobs/a"),
        ("GET", "/jobs"),
        ("POST", "/jobs/a/pause"),
        ("POST", "/jobs/a/run"),
        ("POST", "/jobs/batch"),
    ):
        harmless(hostile(method, path, data=body, headers={"Content-Type": "application/json"} | headers))
