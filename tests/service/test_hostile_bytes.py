"""Hostile bytes on the socket of a running service: nothing is executed, nothing is a 5xx, the service stays alive.

Every refusal is a problem document, also what gunicorn refuses before any app sees it.
"""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.service.harness import Service

MEMBERS = {"type", "title", "status", "detail", "code", "errors", "request_id"}
LARGE = b"x" * 9_000
GOOD = json.dumps({"task": "work"}).encode()


def request(
    line: bytes = b"POST /api/v1/jobs HTTP/1.1", *headers: bytes, body: bytes = b"", kind: bytes = b"application/json"
) -> bytes:
    """A request whose parts are as they are given; KEY and HOST are put in later."""
    told = [line, b"Host: HOST", b"Authorization: Bearer KEY", b"Content-Type: " + kind, b"Connection: close", *headers]
    lengths = (b"content-length:", b"transfer-encoding:")
    if not any(header.lower().startswith(lengths) for header in headers):
        told.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(told) + b"\r\n\r\n" + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n", header: bytes = b"Transfer-Encoding: chunked") -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return request(b"POST /api/v1/jobs HTTP/1.1", header, body=framed + end)


def is_json(kind: bytes) -> bool:
    return kind.lower().startswith((b"application/json;", b"application/json\x0b"))


LINES = [
    b"GET / HTTP/9.9",
    b"GET /api/v1/jobs HTTP/0.9",
    b"GET /api/v1/jobs",
    b"GET  /api/v1/jobs  HTTP/1.1",
    b"get /api/v1/jobs HTTP/1.1",
    b"G\x00T /api/v1/jobs HTTP/1.1",
    b"GET\t/api/v1/jobs\tHTTP/1.1",
    b"GET /api/v1/jobs\x00 HTTP/1.1",
    b"GET /api/v1/jobs%00 HTTP/1.1",
    b"GET /api/v1/jobs/%c0%ae%c0%ae HTTP/1.1",
    b"GET /api/v1/../../etc/passwd HTTP/1.1",
    b"GET /api/v1/jobs/..%5c..%5cwindows HTTP/1.1",
    b"GET \\api\\v1\\jobs HTTP/1.1",
    b"GET http://evil.example/api/v1/jobs HTTP/1.1",
    b"GET //evil.example/api/v1/jobs HTTP/1.1",
    b"GET file:///etc/passwd HTTP/1.1",
    b"GET * HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"CONNECT evil.example:443 HTTP/1.1",
    b"TRACE /api/v1/jobs HTTP/1.1",
    b"PROPFIND /api/v1/jobs HTTP/1.1",
    b"DELETE /api/v1/jobs HTTP/1.1",
    b"PRI * HTTP/2.0",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /api/v1/jobs?" + b"a" * 7_000 + b" HTTP/1.1",
    b"GET /api/v1/jobs?tag=" + b"a," * 3_000 + b" HTTP/1.1",
    b"GET /api/v1/jobs?" + b"&".join(b"a%d=1" % n for n in range(900)) + b" HTTP/1.1",
    b"GET /" + b"a/" * 2_000 + b" HTTP/1.1",
    b"GET /api/v1/jobs?q=\xff\xfe HTTP/1.1",
    b"GET /api/v1/jobs/\xff HTTP/1.1",
    b"GET /api/v1/jobs/a%0d%0aSet-Cookie:%20x=1 HTTP/1.1",
    b"GET /docs/%2e%2e/%2e%2e/admin.key HTTP/1.1",
    b"GET /docs/..%2f..%2fadmin.key HTTP/1.1",
    b"GET /docs//etc/passwd HTTP/1.1",
    b"POST /api/v1/jobs HTTP/1.1",
    b"PUT /api/v1/jobs/os:system HTTP/1.1",
    b"PATCH /api/v1/jobs/none HTTP/1.1",
    b"A" * 3_000 + b" / HTTP/1.1",
    LARGE,
]
HEADERS = [
    (b"Host: HOST", b"Host: evil.example"),
    (b"X-Forwarded-Host: evil.example",),
    (b"X-Forwarded-For: 127.0.0.1",),
    (b"X-HTTP-Method-Override: DELETE",),
    (b"X-Script-Name: /evil", b"SCRIPT_NAME: /evil"),
    (b"Content-Length: -1",),
    (b"Content-Length: 99999999999999999999",),
    (b"Content-Length: 0x10",),
    (b"Content-Length: 1_0",),
    (b"Content-Length: 5", b"Content-Length: 6"),
    (b"Content-Length: +2",),
    (b"Content-Length: 2", b"Transfer-Encoding: chunked"),
    (b"Transfer-Encoding: identity",),
    (b"Transfer-Encoding: chunked, chunked",),
    (b"Transfer-Encoding: xchunked",),
    (b"Transfer-Encoding : chunked",),
    (b"Transfer-Encoding:\x0bchunked",),
    (b"Expect: 100-continue",),
    (b"Expect: nonsense",),
    (b"Upgrade: websocket", b"Connection: Upgrade"),
    (b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
    (b" folded: header",),
    (b"No-Colon",),
    (b": empty",),
    (b"Bad Name: x",),
    (b"N\x00ul: x",),
    (b"X: a\x00b",),
    (b"X: a\rb",),
    (b"X-Long: " + LARGE,),
    tuple(b"X-%d: 1" % n for n in range(150)),
    (b"Authorization: Bearer wrong",),
    (b"Cookie: " + b"a=b;" * 1_000,),
    (b"X-Request-ID: a\xffb",),
    (b"Idempotency-Key: \x01",),
    (b"Idempotency-Key: " + b"k" * 5_000,),
    (b"If-Match: \xff\xfe",),
    (b"If-None-Match: ,,,",),
    (b"Range: bytes=-9999999999",),
    (b"Accept: \x7f",),
    (b"Content-Encoding: gzip",),
    (b"Content-Encoding: br, identity",),
]
KINDS = [
    b"",
    b"text/plain",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=x",
    b"application/json; charset=utf-7",
    b"application/json;" + b"a=b;" * 500,
    b"application/jsonp",
    b"application/merge-patch+json",
    b"APPLICATION/JSON\x0b",
    b"application/x-python-pickle",
    b"\xff\xff",
]
CHUNKS = [
    chunked(b"{", b"}"),
    chunked(GOOD[:5], GOOD[5:9]),
    chunked(b"{}", end=b"0\r\nX-Trailer: a\r\n\r\n"),
    chunked(b"{}", end=b"-1\r\n\r\n"),
    chunked(b"{}", end=b"ffffffffffffffffff\r\n"),
    chunked(b"{}", end=b"zz\r\n\r\n"),
    chunked(b"{}", end=b"0;" + b"ext=1;" * 500 + b"\r\n\r\n"),
    chunked(end=b""),
    chunked(b"[" * 100_000),
    chunked(b"{}", header=b"Transfer-Encoding: CHUNKED"),
    chunked(b"x" * 1_100_000),
]
BROKEN = [
    b"",
    b"\r\n\r\n",
    b"\x00" * 100,
    b"GET / HTTP/1.1\r\n",
    b"GET /healthz HTTP/1.1\nHost: HOST\n\n",
    b"GET /healthz HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\nGET /admin.key HTTP/1.1\r\n\r\n",
    request(body=b"{"),
    request(b"POST /api/v1/jobs HTTP/1.1", b"Content-Length: 50", body=b"{}"),
    request(b"POST /api/v1/jobs HTTP/1.1", b"Content-Length: 1", body=b"{}{}{}"),
]
SENT = [
    *(request(line) for line in LINES),
    *(request(b"POST /api/v1/jobs HTTP/1.1", *headers, body=b"{}") for headers in HEADERS),
    *(request(b"GET /api/v1/jobs HTTP/1.1", *headers) for headers in HEADERS),
    *(request(kind=kind, body=b"{}" if is_json(kind) else GOOD) for kind in KINDS),
    *CHUNKS,
    *BROKEN,
]


@pytest.fixture(scope="module")
def attacked(shared: Service) -> Iterator[Service]:
    yield shared
    assert httpx.get(f"{shared.url}/readyz").json()["ready"] is True
    assert shared.run_now("work")["state"] == "succeeded"
    assert "Traceback" not in shared.said()


def send(service: Service, raw: bytes) -> bytes:
    """Send bytes, tell that nothing follows, and return everything that comes back."""
    raw = raw.replace(b"HOST", b"127.0.0.1:%d" % service.port).replace(b"KEY", service.key.encode())
    received = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # a server may hang up on what it does not read
    return received


@pytest.mark.parametrize("raw", SENT, ids=range(len(SENT)))
def test_hostile_bytes_are_refused_or_harmless(attacked: Service, raw: bytes) -> None:
    received = send(attacked, raw)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head:
        return
    status = int(head.split(b" ")[1])
    assert status < 500, received[:500]
    assert b"Set-Cookie" not in head
    assert attacked.key.encode() not in received
    if status >= 400:
        assert b"Content-Type: application/problem+json" in head
        problem = json.loads(body)
        assert set(problem) == MEMBERS
        assert problem["status"] == status
        assert b"X-Request-ID: " + problem["request_id"].encode() in head


REFUSED_EARLY = [
    (LARGE, 414, "uri_too_long"),
    (b"GET /" + b"a" * 9_000 + b" HTTP/1.1", 414, "uri_too_long"),
    (b"GET / HTTP/1.1\r\nX: " + LARGE, 431, "header_fields_too_large"),
    (b"GET / HTTP/1.1" + b"\r\nX: 1" * 150, 431, "header_fields_too_large"),
    (b"GET / HTTP/9.9", 400, "malformed_request"),
    (b"G\x00T / HTTP/1.1", 400, "malformed_request"),
    (b"GET / HTTP/1.1\r\nBad Name: x", 400, "bad_header"),
    (b"GET / HTTP/1.1\r\nTransfer-Encoding: zip", 400, "bad_header"),
    (b"GET / HTTP/1.1\r\nExpect: nonsense", 417, "expectation_failed"),
]


@pytest.mark.parametrize(("line", "status", "code"), REFUSED_EARLY, ids=range(len(REFUSED_EARLY)))
def test_what_no_app_sees_is_refused_in_a_problem_document(
    attacked: Service, line: bytes, status: int, code: str
) -> None:
    head, _, body = send(attacked, request(line)).partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert (problem["status"], problem["code"]) == (status, code)
    assert b"X-Content-Type-Options: nosniff" in head


def test_nothing_of_it_was_executed(attacked: Service) -> None:
    before = attacked.get("/runs", limit=1)["items"]
    for raw in SENT:
        send(attacked, raw)
    assert attacked.get("/runs", limit=1)["items"] == before


def test_twenty_senders_that_never_finish_keep_nobody_out(attacked: Service) -> None:
    open_sockets = [socket.create_connection(("127.0.0.1", attacked.port), timeout=10) for _ in range(20)]
    try:
        for connection in open_sockets:
            connection.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: ")
        assert httpx.get(f"{attacked.url}/healthz", timeout=10).status_code == 200
    finally:
        for connection in open_sockets:
            connection.close()
