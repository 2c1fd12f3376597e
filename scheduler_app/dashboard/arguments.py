"""The fields of a task's arguments, as the JSON Schema of its function describes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scheduler_app.domain.task import Task

LONG = 200
NOUNS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "yes or no"}
BOUNDS = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
NOTHING = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One argument. `kind` is how its text becomes JSON (see `forms`), `value` the text that stands in it now."""

    name: str
    pointer: str
    kind: str
    hint: str
    about: str
    default: str
    required: bool
    value: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    secret: bool = False


def fields_of(task: Task, args: list[Any], kwargs: Mapping[str, Any]) -> list[Field]:
    """Return a field for each argument that has a name, filled with what is given; the rest goes as JSON."""
    schema = task.schema
    if schema.get("type") != "object":
        return [_whole("args", "/args", list(args)), _whole("kwargs", "/kwargs", dict(kwargs))]
    properties: Mapping[str, Any] = schema.get("properties", {})
    required = schema.get("required", ())
    named = dict(zip(properties, args, strict=False)) | dict(kwargs)
    fields = [
        _field(name, schema, rule, name in required, named.pop(name, NOTHING)) for name, rule in properties.items()
    ]
    return [*fields, *(_field(name, schema, {}, False, value) for name, value in named.items())]


def _whole(name: str, pointer: str, value: Any) -> Field:
    text = json.dumps(value, ensure_ascii=False) if value else ""
    return Field(name=name, pointer=pointer, kind="json", hint="JSON", about="", default="", required=False, value=text)


def _field(name: str, schema: Mapping[str, Any], rule: Mapping[str, Any], required: bool, value: Any) -> Field:
    shape = _resolved(rule, schema)
    kind, choices = _kind(shape, value)
    default = rule.get("default")
    return Field(
        name=name,
        pointer="/kwargs/" + name.replace("~", "~0").replace("/", "~1"),
        kind=kind,
        hint=_hint(shape, kind, required),
        about=str(rule.get("description", shape.get("description", ""))),
        default="" if default is None else _text(default, kind),
        required=required,
        value=_text(value, kind) if value is not NOTHING else "",
        choices=choices,
        low=shape.get("minimum"),
        high=shape.get("maximum"),
    )


def _resolved(rule: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a rule says once references are followed and null, which is an empty field, is left out."""
    for _ in range(8):
        reference = str(rule.get("$ref", ""))
        others = [item for item in rule.get("anyOf", ()) if item.get("type") != "null"]
        if reference.startswith("#/$defs/"):
            rule = schema.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})
        elif len(others) == 1:
            rule = {**others[0], **{key: rule[key] for key in ("description",) if key in rule}}
        else:
            break
    return rule


def _kind(shape: Mapping[str, Any], value: Any) -> tuple[str, tuple[str, ...]]:
    """Return how the field is read, and the words to choose from; a value that does not fit is shown as JSON."""
    words = shape.get("enum") or ([shape["const"]] if "const" in shape else [])
    if words and all(isinstance(word, str) for word in words) and (value is NOTHING or value in words):
        return "text", tuple(words)
    kind, items = shape.get("type"), shape.get("items", {})
    fits = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    if kind in fits and not words and (value is NOTHING or isinstance(value, fits[kind])):  # type: ignore[arg-type]
        return ("text" if kind == "string" else str(kind)), ()
    is_lines = kind == "array" and items.get("type") == "string" and "enum" not in items
    if is_lines and (value is NOTHING or all(isinstance(item, str) and item.strip() for item in value or [""])):
        return "lines", ()
    return "json", ()


def _text(value: Any, kind: str) -> str:
    if kind == "lines" and isinstance(value, list):
        return "\n".join(map(str, value))
    if isinstance(value, str) and kind == "text":
        return value
    return json.dumps(value, ensure_ascii=False)


def _hint(shape: Mapping[str, Any], kind: str, required: bool) -> str:
    noun = {"json": "JSON", "lines": "one per line"}.get(kind) or NOUNS.get(str(shape.get("type")), "text")
    if shape.get("format") in ("date-time", "date", "time"):
        noun = {"date-time": "date and time, RFC 3339", "date": "date", "time": "time"}[shape["format"]]
    bounds = " ".join(f"{sign} {shape[name]:g}" for name, sign in BOUNDS if name in shape)
    return ", ".join(part for part in (f"{noun} {bounds}".strip(), "required" if required else "") if part)
