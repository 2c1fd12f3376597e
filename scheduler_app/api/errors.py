"""The one module that decides which HTTP status an error becomes, and the one shape in which errors are told."""

from http import HTTPStatus

from flask import Flask, Response, g, request
from flask_openapi.models.reference import Reference
from flask_openapi.models.response import Response as DocumentedResponse
from pydantic_core import to_json
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.http import HTTP_STATUS_CODES

from scheduler_app import errors
from scheduler_app.api import refusals

PROBLEM = "application/problem+json"
STATUS: dict[type[errors.SchedulerError], int] = {
    refusals.MalformedBody: 400,
    refusals.BadQuery: 400,
    refusals.BadHeader: 400,
    refusals.BadHost: 400,
    refusals.Unauthorized: 401,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.IdTaken: 409,
    errors.VersionMismatch: 412,
    refusals.WrongMediaType: 415,
    errors.InvalidInput: 422,
    errors.TriggerBudgetExceeded: 422,
    refusals.TooManyFailures: 429,
    errors.StoreUnavailable: 503,
}
HEADERS: dict[type[errors.SchedulerError], dict[str, str]] = {
    refusals.Unauthorized: {"WWW-Authenticate": 'Bearer realm="scheduler"'},
    refusals.TooManyFailures: {"Retry-After": "60"},
    errors.StoreUnavailable: {"Retry-After": "1"},
}
CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 500: "internal_error"}
DETAILS = {
    404: "there is nothing at this path; the calls are listed in /api/v1/openapi.json",
    413: "the body is larger than 1 MiB",
    500: "something unforeseen happened; the log of the server has it under this request_id",
}
MEANINGS = {
    400: "Malformed JSON, a bad query parameter, or a host that this service is not.",
    401: "No API key, or a wrong one.",
    404: "There is no such thing.",
    409: "It does not fit the state that the thing is in, or the id is taken.",
    412: "The thing was changed since: its ETag is not the one in `If-Match`.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not said to be JSON.",
    422: "The content is wrong; `errors` names the fields.",
    429: "Too many wrong API keys from this address.",
    500: "Something unforeseen; the server's log has it under `request_id`.",
    503: "The store is busy or gone; try again.",
}


def documented() -> dict[str, DocumentedResponse | Reference]:
    """Return the problem responses for the OpenAPI document, by status."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): DocumentedResponse.model_validate({"description": means, "content": content})
        for status, means in MEANINGS.items()
    }


def register(app: Flask) -> None:
    """Tell every error of `app` as a problem; what has no status of its own becomes 500 and is logged by the app."""
    for kind in STATUS:
        app.register_error_handler(kind, refused)
    app.register_error_handler(HTTPException, aborted)


def refused(error: errors.SchedulerError) -> Response:
    """Render an error of ours."""
    kind = next(cls for cls in type(error).__mro__ if cls in STATUS)
    response = problem(STATUS[kind], error.code, error.detail, error.faults)
    response.headers.update(HEADERS.get(kind, {}))
    return response


def aborted(error: HTTPException) -> Response:
    """Render what Flask or Werkzeug refused, and the unforeseen."""
    status = error.code or 500
    if status < HTTPStatus.BAD_REQUEST:
        return Response(status=status, headers=dict(error.get_headers(request.environ)))
    name = HTTP_STATUS_CODES.get(status, "error").lower().replace(" ", "_")
    response = problem(status, CODES.get(status, name), _detail(error, status))
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _detail(error: HTTPException, status: int) -> str:
    if isinstance(error, InternalServerError):
        return DETAILS[500]
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"this path answers {', '.join(sorted(getattr(error, 'valid_methods', None) or ()))} only"
    return DETAILS.get(status) or error.description or HTTP_STATUS_CODES.get(status, "error")


def problem(status: int, code: str, detail: str, faults: tuple[errors.Fault, ...] = ()) -> Response:
    """Build a problem document (RFC 9457)."""
    content = {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults],
        "request_id": g.get("request_id", ""),
    }
    return Response(to_json(content), status, content_type=PROBLEM)
