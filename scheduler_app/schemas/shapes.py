"""The JSON Schema of triggers: one shape for each type that the domain knows, its fields in APScheduler's words.

The domain reads and judges a trigger; this tells clients beforehand what it will accept.
"""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from pydantic.config import JsonDict

from scheduler_app.domain.spec import TIME
from scheduler_app.domain.trigger import KINDS

A_TIME: JsonDict = {
    "type": "string",
    "pattern": f"^(?:{TIME.pattern})$",
    "description": "RFC 3339; without an offset only beside `timezone`.",
}
AMOUNT: JsonDict = {"type": "number", "minimum": 0}
FIELDS: dict[str, JsonDict] = {
    "run_date": A_TIME,
    "start_date": A_TIME,
    "end_date": A_TIME,
    "timezone": {"type": "string", "description": "An IANA name like `Europe/Berlin`."},
    "expression": {"type": "string", "description": "As in crontab(5), or `@daily` and its kin."},
    **dict.fromkeys(("weeks", "days", "hours", "minutes", "seconds"), AMOUNT),
}
CRON_SECONDS: JsonDict = {"type": "boolean", "description": "Six fields, seconds first."}
REQUIRED = {"date": ["run_date"], "cron": ["expression"]}
TRIGGER_EXAMPLES: list[JsonDict] = [
    {"type": "interval", "minutes": 5},
    {"type": "cron", "expression": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
    {"type": "date", "run_date": "2030-01-31T09:00:00+01:00"},
]


def _shape(name: str) -> dict[str, Any]:
    required = REQUIRED.get(name, [])
    properties = {field: _field(name, field, field in required) for field in sorted(KINDS[name].fields)}
    return {
        "title": name,
        "type": "object",
        "required": ["type", *required],
        "properties": {"type": {"type": "string", "enum": [name]}, **properties},
        "additionalProperties": False,
    }


def _field(kind: str, name: str, is_required: bool) -> JsonDict:
    """Return the schema of a field; null counts as absent, so it is allowed where absence is."""
    schema = CRON_SECONDS if (kind, name) == ("cron", "seconds") else FIELDS.get(name, {})
    return schema if is_required or not schema else {"anyOf": [schema, {"type": "null"}]}


TriggerSpec = Annotated[
    dict[str, Any],
    Field(max_length=64),
    WithJsonSchema({"oneOf": [_shape(name) for name in KINDS], "examples": TRIGGER_EXAMPLES}),
]
