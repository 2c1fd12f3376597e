"""What pydantic found wrong, as faults that name the field, what was expected and what was got, shortened."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from scheduler_app.domain.spec import nearest, pointer_to, shown
from scheduler_app.errors import Fault, InvalidInput

MOST_FAULTS = 20
MAX_FIELDS = 100
UNTOLD = frozenset({"args", "kwargs"})
Location = tuple[str | int, ...]
WORDS = frozenset({"enum", "literal_error"})
_QUOTED = re.compile(r"'([^']*)'")
_MISSING = object()
Model = TypeVar("Model", bound=BaseModel)


def fitting(model: type[Model], given: object) -> Model:
    """Return what was given as a model; InvalidInput names each wrong field."""
    if isinstance(given, dict) and len(given) > MAX_FIELDS:
        raise InvalidInput.of(Fault(pointer="", detail=f"the body has {len(given)} fields; at most {MAX_FIELDS}"))
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidInput.of(*body_faults(error, model=model, given=given)) from None


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
        told = (
            _sentence(item["msg"])
            if isinstance(given, Mapping)
            else f"the body must be a JSON object, got {shown(given)}"
        )
        return Fault(pointer="", detail=told)
    name = shown(".".join(str(part) for part in location))
    if item["type"] == "missing":
        return Fault(pointer=pointer, detail=f"{name} is required")
    if item["type"] == "extra_forbidden":
        names = _names(model, location[:-1])
        hint = nearest(str(location[-1]), names) or f"; allowed are {', '.join(names)}"
        return Fault(pointer=pointer, detail=f"{name} is no {noun} here{hint}")
    hint = _hint(item, given)
    return Fault(pointer=pointer, detail=f"{name}: {_sentence(item['msg'])}{_got(given, location)}{hint}")


def _names(model: type[BaseModel], location: Location) -> list[str]:
    """Return the fields of a model, or of the one that stands at a location of it."""
    for part in location:
        kinds = get_args(model.model_fields[str(part)].annotation) if part in model.model_fields else ()
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _hint(item: Mapping[str, Any], given: object) -> str:
    """Name the allowed word that is nearest to the one that was got; of several with commas, the wrong one."""
    got = _at(given, item["loc"])
    if got is _MISSING and item["type"] in WORDS:
        whole, index = _at(given, item["loc"][:-1]), item["loc"][-1]
        words = whole.split(",") if isinstance(whole, str) else []
        got = words[index] if isinstance(index, int) and index < len(words) else None
    return nearest(got, _QUOTED.findall(item["msg"])) if item["type"] in WORDS and isinstance(got, str) else ""


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
