"""Reading a request: its path, its query and its body, each checked once, before flask-openapi could.

flask-openapi would read the body with `silent=True`, so that malformed JSON becomes 422, would parse a JSON string
twice, and would compute the JSON Schema of a query model on every request. It only collects the document here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from scheduler_app.api.refusals import BadHeader, BadQuery, MalformedBody, WrongMediaType
from scheduler_app.domain.spec import pointer_to, shown
from scheduler_app.errors import Fault, NotFound, VersionMismatch
from scheduler_app.schemas.faults import fitting, query_faults
from scheduler_app.services.replacing import Expected

MAX_BODY_BYTES = 1024 * 1024
MAX_DEPTH = 64
NESTING = (dict, list)
_OUR_ETAG = re.compile(r'"([0-9]{1,18})"')
_ETAGS = re.compile(r'(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*')
_KEY = re.compile(r"[!-~]{1,255}")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Body:
    """How a call takes its body: under which media types, whether it may be absent, how large and deep it may be."""

    media: tuple[str, ...] = ("application/json",)
    required: bool = True
    most_bytes: int = MAX_BODY_BYTES
    most_levels: int = MAX_DEPTH


JSON = Body()
# a batch is two levels around each of its jobs
BATCH = Body(most_bytes=8 * MAX_BODY_BYTES, most_levels=MAX_DEPTH + 2)
OPTIONAL_JSON = Body(required=False)
MERGE_PATCH = Body(media=("application/merge-patch+json", "application/json"))


def read_path(model: type[Model], parts: Mapping[str, str]) -> Model:
    """Return what the path names; NotFound when nothing could have such a name."""
    try:
        return model.model_validate(parts)
    except ValidationError:
        name, value = next(iter(parts.items()))
        raise NotFound(f"there is no {name.removesuffix('_id')} {shown(value)}") from None


def read_query(model: type[Model]) -> Model:
    """Return the query parameters; BadQuery names each that is unknown, given twice or wrong."""
    given = dict(request.args.lists())
    twice = [name for name, values in given.items() if len(values) > 1]
    if twice:
        detail = f"{shown(twice[0])} is given twice; separate several values by commas"
        raise BadQuery(detail, faults=[Fault(pointer=pointer_to(twice[0]), detail=detail)])
    single = {name: values[0] for name, values in given.items()}
    try:
        return model.model_validate(single)
    except ValidationError as error:
        faults = query_faults(error, model=model, given=single)
        raise BadQuery(faults[0].detail, faults=faults) from None


def refuse_query() -> None:
    """Refuse any query parameter of a call that takes none."""
    for name in request.args:
        detail = f"{shown(name)} is no parameter of this call, which takes none"
        raise BadQuery(detail, faults=[Fault(pointer=pointer_to(name), detail=detail)])


def read_body(model: type[Model], body: Body) -> Model:
    """Return the body; InvalidInput names each wrong field."""
    return fitting(model, _read_json(body))


def read_version() -> int | None:
    """Return the version that `If-Match` asks for; None for any. An ETag that is not ours matches nothing."""
    header = _etags("If-Match")
    return None if header is None or header == "*" else _version("If-Match", header)


def read_expected() -> Expected:
    """Return what `If-Match` and `If-None-Match` expect a PUT to find."""
    match, none_match = _etags("If-Match"), _etags("If-None-Match")
    if none_match not in (None, "*"):
        raise _bad_header("If-None-Match", none_match or "", "must be *, to add a job only if there is none of that id")
    if none_match is not None and match is not None:
        raise _bad_header("If-None-Match", none_match, "asks for no job, and If-Match for one; leave one of them out")
    if none_match == "*":
        return Expected(present=False)
    if match is None or match == "*":
        return Expected(present=None if match is None else True)
    return Expected(version=_version("If-Match", match))


def read_idempotency_key() -> str | None:
    """Return the key under which a call is to be answered once, if there is one."""
    key = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None and not _KEY.fullmatch(key):
        raise _bad_header("Idempotency-Key", key, "must be 1 to 255 visible ASCII characters, a UUID for example")
    return key


def _etags(name: str) -> str | None:
    header = request.headers.get(name)
    if header is None:
        return None
    header = header.strip()
    if header != "*" and not _ETAGS.fullmatch(header):
        raise _bad_header(name, header, 'must be the ETag of the job, like "3", or *')
    return header


def _version(name: str, header: str) -> int:
    ours = _OUR_ETAG.fullmatch(header)
    if ours is None:
        detail = f"{name} is {shown(header)}, which is not the one ETag that the job has"
        raise VersionMismatch(detail, faults=[Fault(pointer=pointer_to(name), detail=detail)])
    return int(ours[1])


def _bad_header(name: str, got: str, what: str) -> BadHeader:
    detail = f"{name} {what}; got {shown(got)}"
    return BadHeader(detail, faults=[Fault(pointer=pointer_to(name), detail=detail)])


def _read_json(body: Body) -> object:
    """Return the parsed body; an absent one that may be absent is an empty object."""
    raw = _read_raw(body)
    if not raw and not body.required:
        return {}
    if request.mimetype not in body.media or request.environ.get("HTTP_CONTENT_ENCODING") not in (None, "identity"):
        raise WrongMediaType(f"the body must be sent as {' or '.join(body.media)}, got {shown(request.content_type)}")
    try:
        given = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedBody(f"the body is not JSON: {error}") from None
    if raw.count(b"[") + raw.count(b"{") > body.most_levels and _depth(given) > body.most_levels:
        raise MalformedBody(f"the body is nested deeper than {body.most_levels} levels")
    return given


def _read_raw(body: Body) -> bytes:
    """Return the body as it came. Of one without a length Werkzeug hands on the first MiB as if that were all."""
    length = request.content_length
    if length is not None and length <= body.most_bytes:
        return _read_all(length)
    if body.most_bytes != MAX_BODY_BYTES:
        request.max_content_length = body.most_bytes
    try:
        raw = request.get_data(cache=False)
    except ClientDisconnected:
        raise _cut_short() from None
    if length is None and len(raw) >= body.most_bytes:
        raise RequestEntityTooLarge
    return raw


def _read_all(length: int) -> bytes:
    """Return the body of that length, without the streams that stand between for those who read it in parts."""
    try:
        raw: bytes = request.environ["wsgi.input"].read(length)
    except (OSError, ValueError):
        raw = b""
    if len(raw) < length:
        raise _cut_short()
    return raw


def _cut_short() -> MalformedBody:
    return MalformedBody("the body ended before its length, or was sent in chunks that are none")


def _depth(value: object) -> int:
    """Return how deep arrays and objects are nested, level by level, without recursion."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, NESTING)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def read_object() -> dict[str, object]:
    """Return the body as an object, whatever type it is said to be; an absent one is empty."""
    request.max_content_length = MAX_BODY_BYTES
    raw = _read_raw(OPTIONAL_JSON)
    try:
        given = from_json(raw, allow_inf_nan=False) if raw else {}
    except ValueError as error:
        raise MalformedBody(f"the body is not JSON: {error}") from None
    if not isinstance(given, dict) or _depth(given) > MAX_DEPTH:
        raise MalformedBody(f"the body must be a JSON object, nested at most {MAX_DEPTH} levels deep")
    return given
