"""A form as the JSON body that it stands for; the script of the editor builds the same body by the same rule.

The name of a field is `scope` `pointer` `:` `kind`: the JSON pointer (RFC 6901) of its value in the body, how the text
becomes JSON, and in which tabs it counts (`cron,every/trigger/timezone:text`; no scope: always). What is empty is left
out, so that the default holds; what cannot be read is handed on as text, and the schema of the body refuses it.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from werkzeug.datastructures import MultiDict

from scheduler_app.errors import Fault, InvalidInput

CHOSEN = "when"
DEEPEST = 6
_NAME = re.compile(r"(?P<scope>[a-z,]*)(?P<pointer>(?:/[^/]+)+):(?P<kind>[a-z]+)")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,3})?")


def body_of(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return the body that a form says; InvalidInput names each field that is not the JSON it should be."""
    body: dict[str, Any] = {}
    faults: list[Fault] = []
    for name in form:
        match = _NAME.fullmatch(name)
        if match is None or match["kind"] not in READERS or not _counts(match["scope"], form.get(CHOSEN, "")):
            continue
        try:
            value = READERS[match["kind"]](form.getlist(name)[-1])
        except ValueError as error:
            faults.append(Fault(pointer=match["pointer"], detail=f"must be JSON: {error}"))
            continue
        if value is not None:
            _put(body, match["pointer"], value)
    if faults:
        raise InvalidInput.of(*faults)
    return body


def _counts(scope: str, chosen: str) -> bool:
    return not scope or chosen in scope.split(",")


def _put(body: dict[str, Any], pointer: str, value: Any) -> None:
    *path, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")[:DEEPEST])
    for part in path:
        inner = body.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        body = inner
    body[last] = value


def _text(given: str) -> str | None:
    return given.replace("\r\n", "\n") or None


def _whole(given: str) -> Any:
    given = given.strip()
    return int(given) if _WHOLE.fullmatch(given) else given or None


def _number(given: str) -> Any:
    given = given.strip()
    if not _NUMBER.fullmatch(given):
        return given or None
    return int(given) if _WHOLE.fullmatch(given) else float(given)


def _truth(given: str) -> bool | None:
    return {"true": True, "false": False}.get(given)


def _json(given: str) -> Any:
    if not given.strip():
        return None
    try:
        return json.loads(given, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _lines(given: str) -> list[str] | None:
    return [line.strip() for line in given.splitlines() if line.strip()] or None


def _words(given: str) -> list[str] | None:
    return [word.strip() for word in given.split(",") if word.strip()] or None


READERS: dict[str, Callable[[str], Any]] = {
    "text": _text,
    "integer": _whole,
    "number": _number,
    "boolean": _truth,
    "json": _json,
    "lines": _lines,
    "words": _words,
}
