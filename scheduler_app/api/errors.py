"""The one module that decides which HTTP status an error becomes, and the one shape in which errors are told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import zip_longest
from typing import Any

from flask import Flask, Response, current_app, g, request
from pydantic_core import to_json
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed
from werkzeug.http import HTTP_STATUS_CODES

from scheduler_app import errors
from scheduler_app.api import refusals
from scheduler_app.domain.spec import nearest, shown

PROBLEM = "application/problem+json"
TELLER = "scheduler_app.teller"
STATUS: dict[type[errors.SchedulerError], int] = {
    refusals.MalformedBody: 400,
    refusals.BadQuery: 400,
    refusals.BadHeader: 400,
    refusals.BadHost: 400,
    errors.Unauthorized: 401,
    refusals.Forbidden: 403,
    refusals.CrossSite: 403,
    refusals.WrongCsrfToken: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.IdTaken: 409,
    errors.KeyInFlight: 409,
    errors.VersionMismatch: 412,
    refusals.WrongMediaType: 415,
    errors.InvalidInput: 422,
    errors.KeyReused: 422,
    errors.TriggerBudgetExceeded: 422,
    errors.TooManyFailures: 429,
    errors.StoreUnavailable: 503,
    refusals.NoStreamLeft: 503,
}
HEADERS: dict[type[errors.SchedulerError], dict[str, str]] = {
    errors.Unauthorized: {"WWW-Authenticate": 'Bearer realm="scheduler"'},
    errors.TooManyFailures: {"Retry-After": "60"},
    errors.StoreUnavailable: {"Retry-After": "1"},
    refusals.NoStreamLeft: {"Retry-After": "10"},
    errors.KeyInFlight: {"Retry-After": "1"},
}
CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 500: "internal_error"}
DETAILS = {
    404: "there is nothing at this path; the calls are listed in /api/v1/openapi.json",
    500: "something unforeseen happened; the log of the server has it under this request_id",
}
MEANINGS = {
    400: "Malformed JSON, a bad query parameter, or a host that this service is not.",
    401: "No API key, or a wrong one, and nobody is signed in.",
    403: "The role does not allow it, or a page of another site sent it, or the CSRF token is missing.",
    404: "There is no such thing.",
    409: "It does not fit the state that the thing is in, the id is taken, or the code declares the job.",
    412: "The thing was changed since: its ETag is not the one in `If-Match`.",
    413: "The body is larger than 1 MiB, or 8 MiB for a batch.",
    414: "The path with its query is longer than about 8,000 bytes.",
    415: "The body is not said to be JSON.",
    422: "The content is wrong; `errors` names the fields.",
    429: "Too many wrong API keys from this address.",
    500: "Something unforeseen; the server's log has it under `request_id`.",
    503: "The store is busy or gone, or all streams are taken; try again.",
}


@dataclass(frozen=True, kw_only=True)
class Teller:
    """Tells problems as pages to who looks at pages: those of a blueprint, and a browser at no known path."""

    blueprint: str
    tell: Callable[[Mapping[str, Any]], str]

    def is_asked(self) -> bool:
        """Whether the present request is for a page."""
        if request.endpoint is not None:
            return request.blueprint == self.blueprint
        return not request.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")


def register(app: Flask) -> None:
    """Tell every error of `app` as a problem; what has no status of its own becomes 500 and is logged by the app."""
    for kind in STATUS:
        app.register_error_handler(kind, refused)
    app.register_error_handler(HTTPException, aborted)


def refused(error: errors.SchedulerError) -> Response:
    """Render an error of ours."""
    response = _told(problem_of(error))
    response.headers.update(HEADERS.get(_kind(error), {}))
    return response


def problem_of(error: errors.SchedulerError) -> dict[str, Any]:
    """Return the problem document of an error of ours."""
    return problem_content(STATUS[_kind(error)], error.code, error.detail, error.faults)


def _kind(error: errors.SchedulerError) -> type[errors.SchedulerError]:
    return next(cls for cls in type(error).__mro__ if cls in STATUS)


def aborted(error: HTTPException) -> Response:
    """Render what Flask or Werkzeug refused, and the unforeseen."""
    status = error.code or 500
    if status < HTTPStatus.BAD_REQUEST:
        return Response(status=status, headers=dict(error.get_headers(request.environ)))
    name = HTTP_STATUS_CODES.get(status, "error").lower().replace(" ", "_")
    response = problem(status, CODES.get(status, name), _detail(error, status))
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = _allowed(error)
    return response


def _allowed(error: MethodNotAllowed) -> str:
    """Return the methods of a path: of the call that is just there, if there is one, not of a job of that name too."""
    here = [rule.methods or () for rule in current_app.url_map.iter_rules() if rule.rule == request.path]
    return ", ".join(sorted({method for methods in here for method in methods} or error.valid_methods or ()))


def _detail(error: HTTPException, status: int) -> str:
    if isinstance(error, InternalServerError):
        return DETAILS[500]
    if status == HTTPStatus.NOT_FOUND:
        return DETAILS[404] + _nearest_path()
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        most = (request.max_content_length or 0) // (1024 * 1024)
        return f"the body is larger than {most} MiB"
    if isinstance(error, MethodNotAllowed):
        return f"this path answers {_allowed(error)} only, got {shown(request.method)}"
    return DETAILS.get(status) or error.description or HTTP_STATUS_CODES.get(status, "error")


def _nearest_path() -> str:
    """Return the tail of a sentence that names the call whose path is nearest to the one that was asked for."""
    asked = request.path.split("/")
    known = {_filled(rule.rule.split("/"), asked) for rule in current_app.url_map.iter_rules()}
    return nearest(request.path, known)


def _filled(rule: list[str], asked: list[str]) -> str:
    """Return a rule as a path: where it has a parameter, what was asked for stands there."""
    parts = zip_longest(rule, asked[: len(rule)], fillvalue="")
    return "/".join(got if part.startswith("<") and got else part for part, got in parts)


def problem(status: int, code: str, detail: str) -> Response:
    """Build the answer to what no error of ours says."""
    return _told(problem_content(status, code, detail))


def _told(content: Mapping[str, Any]) -> Response:
    teller: Teller | None = current_app.extensions.get(TELLER)
    if teller is not None and teller.is_asked():
        return Response(teller.tell(content), content["status"], content_type="text/html; charset=utf-8")
    return Response(to_json(content), content["status"], content_type=PROBLEM)


def problem_content(
    status: int, code: str, detail: str, faults: tuple[errors.Fault, ...] = (), *, request_id: str | None = None
) -> dict[str, Any]:
    """Build a problem document (RFC 9457) for the present request, or for the one of that id."""
    return {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults],
        "request_id": g.get("request_id", "") if request_id is None else request_id,
    }
