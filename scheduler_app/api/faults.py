"""What pydantic found wrong, as faults that name the field, what was expected and what was got, shortened."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from scheduler_app.domain.spec import nearest, pointer_to, shown
from scheduler_app.errors import Fault

MOST_FAULTS = 20
UNTOLD = frozenset({"args", "kwargs"})
Location = tuple[str | int, ...]
_MISSING = object()


def body_faults(error: ValidationError, *, model: type[BaseModel], given: object) -> tuple[Fault, ...]:
    """Return what is wrong with a body."""
    return tuple(_fault(item, item["loc"], "field", model, given) for item in _first(error))


def query_faults(error: ValidationError, *, model: type[BaseModel], given: object) -> tuple[Fault, ...]:
    """Return what is wrong with query parameters; of several values in one, the parameter is told."""
    return tuple(_fault(item, item["loc"][:1], "parameter", model, given) for item in _first(error))


def _first(error: ValidationError) -> Sequence[Mapping[str, Any]]:
    """Return the first 20 errors; one request could otherwise ask for a hundred thousand sentences."""
    return error.errors(include_url=False, include_context=False, include_input=False)[:MOST_FAULTS]


def _fault(item: Mapping[str, Any], location: Location, noun: str, model: type[BaseModel], given: object) -> Fault:
    pointer = "".join(pointer_to(str(part)) for part in location)
    if not location:
        return Fault(pointer="", detail=f"the body must be a JSON object, got {shown(given)}")
    name = shown(".".join(str(part) for part in location))
    if item["type"] == "missing":
        return Fault(pointer=pointer, detail=f"{name} is required")
    if item["type"] == "extra_forbidden":
        names = [field.alias or name for name, field in model.model_fields.items()]
        return Fault(pointer=pointer, detail=f"{name} is no {noun} here{nearest(str(location[-1]), names)}")
    return Fault(pointer=pointer, detail=f"{name}: {_sentence(item['msg'])}{_got(given, location)}")


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _got(given: object, location: Location) -> str:
    got = _at(given, location)
    return "" if got is _MISSING or location[0] in UNTOLD else f", got {shown(got)}"


def _at(given: object, location: Location) -> object:
    """Return what stands at a location of what was given."""
    for part in location:
        if isinstance(given, list) and isinstance(part, int) and part < len(given):
            given = given[part]
        else:
            given = given.get(part, _MISSING) if isinstance(given, Mapping) else _MISSING
    return given
