"""What pydantic found wrong, as faults that name the field, what was expected and what was got, shortened."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from scheduler_app.domain.spec import nearest, pointer_to, shown
from scheduler_app.errors import Fault

MOST_FAULTS = 20
UNTOLD = frozenset({"args", "kwargs"})
_MISSING = object()


def faults_of(error: ValidationError, *, model: type[BaseModel], given: object) -> tuple[Fault, ...]:
    """Return the first 20 faults; one request could otherwise ask for a hundred thousand sentences."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return tuple(_fault(item, model, given) for item in found[:MOST_FAULTS])


def _fault(item: Mapping[str, Any], model: type[BaseModel], given: object) -> Fault:
    location = item["loc"]
    pointer = "".join(pointer_to(str(part)) for part in location)
    return Fault(pointer=pointer, detail=_sentence(item["type"], item["msg"], location, model, given))


def _sentence(kind: str, message: str, location: tuple[Any, ...], model: type[BaseModel], given: object) -> str:
    if not location:
        return f"the body must be a JSON object, got {shown(given)}"
    name = shown(".".join(str(part) for part in location))
    if kind == "missing":
        return f"{name} is required"
    if kind == "extra_forbidden":
        return f"{name} is no field here{nearest(str(location[-1]), _names(model))}"
    got = _at(given, location)
    tail = "" if got is _MISSING or location[0] in UNTOLD else f", got {shown(got)}"
    return f"{name}: {_lower(message.removeprefix('Value error, '))}{tail}"


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _at(given: object, location: tuple[Any, ...]) -> object:
    """Return what stands at a location of what was given."""
    for part in location:
        if isinstance(given, Mapping) and part in given:
            given = given[part]
        elif isinstance(given, list) and isinstance(part, int) and part < len(given):
            given = given[part]
        else:
            return _MISSING
    return given
