"""The JSON Schema of triggers: one shape for each type that the domain knows, its fields in APScheduler's words.

The domain reads and judges a trigger; this tells clients beforehand what it will accept.
"""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from pydantic.config import JsonDict

from scheduler_app.domain.trigger import KINDS

TIME: JsonDict = {"type": "string", "description": "RFC 3339; without an offset only beside `timezone`."}
AMOUNT: JsonDict = {"type": "number", "minimum": 0}
FIELDS: dict[str, JsonDict] = {
    "run_date": TIME,
    "start_date": TIME,
    "end_date": TIME,
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
    own = {"seconds": CRON_SECONDS} if name == "cron" else {}
    properties = {field: own.get(field) or FIELDS.get(field, {}) for field in sorted(KINDS[name].fields)}
    return {
        "title": name,
        "type": "object",
        "required": ["type", *REQUIRED.get(name, [])],
        "properties": {"type": {"type": "string", "enum": [name]}, **properties},
        "additionalProperties": False,
    }


TriggerSpec = Annotated[
    dict[str, Any],
    Field(max_length=64),
    WithJsonSchema({"oneOf": [_shape(name) for name in KINDS], "examples": TRIGGER_EXAMPLES}),
]
