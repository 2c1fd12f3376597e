"""What gunicorn refuses before any app sees it, told as a problem document like every other refusal."""

import secrets
import socket
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors as http
from gunicorn.workers.gthread import ThreadWorker
from pydantic_core import to_json

from scheduler_app.api.errors import PROBLEM, problem_content
from scheduler_app.api.security import SECURITY_HEADERS
from scheduler_app.domain.spec import shown

# A response header that cannot be sent is the fault of who made it, though gunicorn derives it from those of requests.
OURS = (http.InvalidResponseHeader, http.InvalidResponseHeaderName)
# RFC 9112 has 501 for a transfer coding that is not known; it is the client that is to change something, so 400.
REFUSED: dict[type[Exception], tuple[int, str, str]] = {
    http.LimitRequestLine: (414, "uri_too_long", "the request line is longer than 8,190 bytes"),
    http.LimitRequestHeaders: (
        431,
        "header_fields_too_large",
        "a header field is longer than 8,190 bytes, or there are more than 100",
    ),
    http.ExpectationFailed: (417, "expectation_failed", "the only expectation that is met is 100-continue"),
    http.InvalidRequestLine: (400, "malformed_request", "the request line cannot be read"),
    http.InvalidRequestMethod: (400, "malformed_request", "the request method cannot be read"),
    http.InvalidHTTPVersion: (400, "malformed_request", "only HTTP/1.0 and HTTP/1.1 are spoken here"),
    http.InvalidHeaderName: (400, "bad_header", "the name of a header cannot be read"),
    http.InvalidHeader: (400, "bad_header", "a header cannot be read, or contradicts another one"),
    http.ObsoleteFolding: (400, "bad_header", "a header goes on in the next line, which is obsolete"),
    http.UnsupportedTransferCoding: (400, "bad_header", "Transfer-Encoding must be chunked, or be left out"),
    http.ParseException: (400, "malformed_request", "the request cannot be read"),
}


class ProblemWorker(ThreadWorker):  # type: ignore[misc]
    """A worker of gunicorn whose refusals are problem documents."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what went wrong before, or beside, the app."""
        status, code, detail = refusal_of(exc)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("a request failed outside of the app", exc_info=exc)
        else:
            self.log.info("refused a request from %s: %s", addr[0] if addr else "?", shown(str(exc)))
        write_refusal(client, status, code, detail)


def refusal_of(error: Exception) -> tuple[int, str, str]:
    """Return the status, the code and the sentence for an exception of gunicorn."""
    if isinstance(error, OURS):
        return 500, "internal_error", "something unforeseen happened; see the log of the server"
    for kind in type(error).__mro__:
        if kind in REFUSED:
            return REFUSED[kind]
    return 500, "internal_error", "something unforeseen happened; see the log of the server"


def write_refusal(client: socket.socket, status: int, code: str, detail: str) -> None:
    """Write a problem document to a socket that is closed next."""
    request_id = secrets.token_hex(8)
    body = to_json(problem_content(status, code, detail, request_id=request_id))
    headers = {
        "Connection": "close",
        "Content-Type": PROBLEM,
        "Content-Length": str(len(body)),
        **SECURITY_HEADERS,
        "X-Request-ID": request_id,
    }
    head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    with suppress(OSError):
        util.write_nonblock(client, "\r\n".join([*head, "", ""]).encode("ascii") + body)
