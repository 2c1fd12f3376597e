"""The JSON Schema of triggers: one shape for each type that the domain knows, its fields in APScheduler's words.

The domain reads and judges a trigger; this tells clients beforehand what it will accept.
"""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema
from pydantic.config import JsonDict

from scheduler_app.domain.after import AFTER, On
from scheduler_app.domain.calendar_interval import PERIODS, TIMES
from scheduler_app.domain.combining import COMBINING, DEEPEST, MOST_TRIGGERS
from scheduler_app.domain.cron_fields import LONGEST, RULES
from scheduler_app.domain.job import ID_PATTERN
from scheduler_app.domain.spec import DATE, TIME
from scheduler_app.domain.trigger import KINDS, LONGEST_JITTER

# a day that exists, but for the 29th of February in most years; an offset may reach over the edge of the first year
DAY = (
    "(?:1899|19[0-9]{2}|[2-9][0-9]{3})-"
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
)
A_MOMENT = f"^(?:{TIME.pattern.replace(DATE.pattern, DAY)})$"
A_TIME: JsonDict = {
    "type": "string",
    "pattern": A_MOMENT,
    "description": "RFC 3339; without an offset only beside `timezone`.",
}
A_DAY: JsonDict = {
    "type": "string",
    "pattern": A_MOMENT,
    "description": "A day like `2030-01-31`, or a time in RFC 3339.",
}
AMOUNT: JsonDict = {"type": "number", "minimum": 0}
FIELDS: dict[str, JsonDict] = {
    "run_date": A_TIME,
    "start_date": A_TIME,
    "end_date": A_TIME,
    "timezone": {"type": "string", "description": "An IANA name like `Europe/Berlin`."},
    "expression": {"type": "string", "description": "As in crontab(5), or `@daily` and its kin."},
    "jitter": {
        "type": "number",
        "minimum": 0,
        "maximum": LONGEST_JITTER,
        "description": "Seconds over which the runs are spread; it moves no `scheduled_at`.",
    },
    **dict.fromkeys(("weeks", "days", "hours", "minutes", "seconds"), AMOUNT),
}
CRON_FIELDS: dict[str, JsonDict] = {
    rule.name: {
        "anyOf": [
            {"type": "integer", "minimum": rule.low, "maximum": rule.high},
            {"type": "string", "minLength": 1, "maxLength": LONGEST},
        ],
        "description": f"{rule.allowed}; `*`, `*/a`, `a-b`, `a-b/c`, lists of them.",
    }
    for rule in RULES
}
CRON_SECONDS: JsonDict = {"type": "boolean", "description": "Six fields, seconds first."}
CALENDAR: dict[str, JsonDict] = {
    "start_date": A_DAY,
    "end_date": A_DAY,
    **{name: {"type": "integer", "minimum": 0, "maximum": most} for name, most in {**PERIODS, **TIMES}.items()},
}
AFTER_RUNS: dict[str, JsonDict] = {
    "job": {"type": "string", "pattern": ID_PATTERN, "description": "The id of the job whose runs it waits for."},
    "on": {
        "type": "string",
        "enum": list(On),
        "description": "Which ends of a run fire: `success` (the default), `failure` (failed, timed out or lost, "
        "retries used up) or `finish` (any end of a run that was started).",
    },
}
# What a field of one type means there, where it differs.
SPECIAL: dict[str, dict[str, JsonDict]] = {
    "cron": {"seconds": CRON_SECONDS},
    "cron fields": CRON_FIELDS,
    "after": AFTER_RUNS,
    "calendarinterval": CALENDAR,
}
REQUIRED = {"date": ["run_date"], "cron": ["expression"], "after": ["job"]}
TRIGGER_EXAMPLES: list[JsonDict] = [
    {"type": "interval", "minutes": 5},
    {"type": "cron", "expression": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
    {"type": "cron", "day": "last", "hour": 18, "timezone": "Europe/Berlin"},
    {"type": "calendarinterval", "months": 1, "start_date": "2030-01-15", "hour": 9, "timezone": "Europe/Berlin"},
    {"type": "date", "run_date": "2030-01-31T09:00:00+01:00"},
    {"type": "after", "job": "nightly-report", "on": "failure"},
    {"type": "or", "triggers": [{"type": "cron", "hour": 9}, {"type": "cron", "hour": 17, "day_of_week": "fri"}]},
]


def _leaves(*, inner: bool) -> list[dict[str, Any]]:
    """Return the shapes of what is no combination; inside one there is no jitter."""
    without = {"jitter"} if inner else set()
    cron = KINDS["cron"].fields
    return [
        *(_shape(name, name, KINDS[name].fields - without) for name in ("date", "interval", "calendarinterval")),
        _shape("cron", "cron", cron - {*CRON_FIELDS} - without),
        _shape("cron fields", "cron", cron - {"expression", "seconds"} - without, least=2),
    ]


def _shape(title: str, kind: str, names: frozenset[str] | set[str], *, least: int = 1) -> dict[str, Any]:
    required = REQUIRED.get(title, [])
    properties = {field: _field(title, field, field in required) for field in sorted(names)}
    return {
        "title": title,
        "type": "object",
        "required": ["type", *required],
        "minProperties": max(least, 1 + len(required)),
        "properties": {"type": {"type": "string", "enum": [kind]}, **properties},
        "additionalProperties": False,
    }


def _field(title: str, name: str, is_required: bool) -> JsonDict:
    """Return the schema of a field; null counts as absent, so it is allowed where absence is."""
    schema = SPECIAL.get(title, {}).get(name) or FIELDS.get(name, {})
    return schema if is_required or not schema else {"anyOf": [schema, {"type": "null"}]}


def _combination(depth: int) -> dict[str, Any]:
    """Return the shape of `and` and `or`, which may hold each other down to a depth."""
    inside = [*_leaves(inner=True), *([_combination(depth + 1)] if depth + 1 < DEEPEST else [])]
    jitter = {"jitter": _field("and", "jitter", False)} if depth == 1 else {}
    return {
        "title": "combination",
        "type": "object",
        "required": ["type", "triggers"],
        "properties": {
            "type": {"type": "string", "enum": list(COMBINING)},
            "triggers": {"type": "array", "minItems": 1, "maxItems": MOST_TRIGGERS, "items": {"oneOf": inside}},
            **jitter,
        },
        "additionalProperties": False,
    }


TriggerSpec = Annotated[
    dict[str, Any],
    Field(max_length=64),
    WithJsonSchema(
        {
            "oneOf": [*_leaves(inner=False), _shape(AFTER, AFTER, KINDS[AFTER].fields), _combination(1)],
            "examples": TRIGGER_EXAMPLES,
        }
    ),
]
