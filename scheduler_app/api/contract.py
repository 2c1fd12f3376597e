"""`serves` joins a view to its path: it reads the request, as the view's annotations say, and collects the document.

A view takes `path`, `query` and `body`, each annotated with a wire shape, and returns an answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import getdoc
from typing import Any, get_type_hints

from flask import Response, current_app, g, request
from flask_openapi.blueprint import APIBlueprint
from flask_openapi.models.parameter import Parameter
from flask_openapi.models.request_body import RequestBody
from flask_openapi.models.schema import Schema
from flask_openapi.models.tag import Tag
from flask_openapi.utils import parse_rule
from pydantic import BaseModel

from scheduler_app.api.reading import JSON, Body, read_body, read_path, read_query, refuse_query
from scheduler_app.failpoints import failpoint
from scheduler_app.schemas.fields import WriteQuery
from scheduler_app.services.context import Context

EXTENSION = "scheduler_app.context"
View = Callable[..., Response]
# in the order of the calls that answer so
ANSWERED: dict[type[BaseModel], None] = {}
BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
OPEN_REFUSES = (400, 414, 500)
GUARDED_REFUSES = (400, 401, 403, 414, 429, 500, 503)
HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": "The version of the job, for `If-Match`.", "schema": {"type": "string"}},
    "Content-Location": {"description": "Where the run is that is told.", "schema": {"type": "string"}},
    "Location": {"description": "Where it is.", "schema": {"type": "string"}},
    "Link": {"description": '`rel="next"`: the next page; absent on the last one.', "schema": {"type": "string"}},
}

# headers that a request may carry are told in words: as parameters they would promise that any value is accepted
CONDITIONS = (
    " `If-Match` with the `ETag` that the job was read with: 412 when it was changed since; `*` fits any version."
)
ONCE = (
    " `Idempotency-Key` (1 to 255 visible ASCII characters): for 24 hours the same call with the same key gets the "
    "same answer, with `Idempotency-Replayed: true`, and does nothing; another call with that key is refused with 422, "
    "one while the first is being carried out with 409."
)
_MOST_WAIT = "at most 24 such calls and streams of events at a time, beyond that 503"
WAIT = (
    " `Prefer: wait=N` (RFC 7240): if the run ends within N seconds, 50 at most, the answer is 200 and tells how; else "
    f"it is as without. `Preference-Applied` says that it was done so; {_MOST_WAIT}, and nothing was done."
)
WAIT_TO_GET = (
    "`Prefer: wait=N` (RFC 7240): it is told as soon as it has ended, or as it is after N seconds, 50 at most. "
    f"`Preference-Applied` says that it was done so; {_MOST_WAIT}."
)
DRY_RUN = Parameter.model_validate(
    {
        "name": "dry_run",
        "in": "query",
        "required": False,
        "description": WriteQuery.model_fields["dry_run"].description,
        "schema": {"type": "string", "enum": ["true", "false"], "default": "false"},
    }
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One good answer of a call."""

    model: type[BaseModel] | None
    means: str
    headers: tuple[str, ...] = ()
    media: str = "application/json"


def context() -> Context:
    """Return what the use cases of the present app need, for who calls; in a dry run nothing that they do is kept."""
    ctx: Context = g.get("ctx") or current_app.extensions[EXTENSION]
    return ctx.rehearsing() if "dry_run" in g else ctx


def room(noun: str, description: str, *, prefix: str = "/api/v1") -> APIBlueprint:
    """Return the blueprint of one noun."""
    return APIBlueprint(
        noun,
        __name__,
        url_prefix=prefix,
        abp_tags=[Tag(name=noun, description=description)],
        abp_security=BEARER if prefix else None,
    )


def serves(
    place: APIBlueprint,
    call: str,
    answers: Mapping[int, Answer],
    *,
    refuses: tuple[int, ...] = (),
    body: Body = JSON,
    writes: bool | None = None,
    told: str = "",
) -> Callable[[View], View]:
    """Serve a view as `call`, a method and a rule. `refuses` are the errors beside those that every call has.

    A call that `writes`, which is any but GET unless it says so, takes `dry_run`. `told` ends the description.
    """
    method, rule = call.split(" ")
    writes = method != "GET" if writes is None else writes

    def decorate(view: View) -> View:
        hints = get_type_hints(view)
        document: dict[str, Any] = {
            "operation_id": view.__name__,
            "description": " ".join((getdoc(view) or "").partition("\n")[2].split()) + told,
            "responses": _responses(answers, (*refuses, *(GUARDED_REFUSES if place.abp_security else OPEN_REFUSES))),
        }
        if "body" in hints:
            document["request_body"] = _request_body(hints["body"], body)
        served = _reading(view, hints, body, WriteQuery if writes else None)
        getattr(place, method.lower())(rule, **document)(served)
        if writes:
            operation = getattr(place.paths[parse_rule(rule, place.url_prefix)], method.lower())
            operation.parameters = [*(operation.parameters or []), DRY_RUN]
        ANSWERED.update(dict.fromkeys(answer.model for answer in answers.values() if answer.model is not None))
        return served

    return decorate


def _reading(view: View, hints: Mapping[str, Any], body: Body, write: type[WriteQuery] | None) -> View:
    """Return the view with the reading of its request in front."""
    path, query, content = (hints.get(name) for name in ("path", "query", "body"))

    @wraps(view)
    def served(**parts: str) -> Response:
        given: dict[str, BaseModel] = {}
        if path is not None:
            given["path"] = read_path(path, parts)
        if query is not None:
            given["query"] = read_query(query)
        elif request.query_string:
            _read_wish(write)
        if content is not None:
            given["body"] = read_body(content, body)
        response = view(**given)
        if write is not None:
            failpoint("answer.before_send")
        return response

    served.__delay_validate_request__ = True  # type: ignore[attr-defined]  # flask-openapi leaves the reading to us
    return served


def _read_wish(write: type[WriteQuery] | None) -> None:
    """Read whether a call that writes is only to be rehearsed; any other takes no query."""
    if write is None:
        refuse_query()
    elif read_query(write).dry_run == "true":
        g.dry_run = True


def _responses(answers: Mapping[int, Answer], refuses: tuple[int, ...]) -> dict[str, Any]:
    good = {str(status): _response(given) for status, given in answers.items()}
    bad = {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(refuses)}
    return good | bad


def _response(given: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"description": given.means}
    if given.model is not None:
        response["content"] = {given.media: {"schema": _reference(given.model)}}
    if given.headers:
        response["headers"] = {name: HEADERS[name] for name in given.headers}
    return response


def answered() -> Mapping[str, Schema]:
    """Return the schemas of what goes out, and of its parts, by name; only who asks for the document needs them."""
    schemas: dict[str, Any] = {}
    for model in ANSWERED:
        schema = model.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        schemas |= {**schema.pop("$defs", {}), model.__name__: schema}
    return {name: Schema.model_validate(schema) for name, schema in schemas.items()}


def _request_body(model: type[BaseModel], body: Body) -> RequestBody:
    content = {media: {"schema": _reference(model)} for media in body.media}
    return RequestBody.model_validate({"content": content, "required": body.required})


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
