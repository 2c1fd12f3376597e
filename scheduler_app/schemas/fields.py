"""Fields that several wire shapes share. What comes in is strict: no "5" for 5, no true for 1, nothing unknown."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from scheduler_app.domain.job import ID_PATTERN
from scheduler_app.domain.printable import PRINTABLE, PrintableText
from scheduler_app.domain.spec import nearest
from scheduler_app.domain.task import NAME_PATTERN
from scheduler_app.domain.trigger import KINDS

LARGEST_ID = 2**63 - 1
MAX_REASON_BYTES = 1024
MAX_VALUES = 100
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,19}")


class WireIn(BaseModel):
    """What comes in: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(WireIn):
    """An empty object: the call takes no content."""


class WireOut(BaseModel):
    """What goes out. It documents a rendering and is not built for each row, which would cost three times as much."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)


def _moment(value: object) -> datetime:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("must be a time with an offset like 2030-01-31T09:00:00Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time that exists, in the years 1 to 9999") from None


def _number(value: object) -> int:
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        raise ValueError("must be a whole number in decimal digits")
    return int(value)


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _one_kib(text: str) -> str:
    size = len(text.encode())
    if size > MAX_REASON_BYTES:
        raise ValueError(f"must be at most {MAX_REASON_BYTES} bytes, and is {size}")
    return text


def _known_type(name: str) -> str:
    if name not in KINDS:
        known = ", ".join(repr(kind) for kind in sorted(KINDS))
        raise ValueError(f"must be one of {known}{nearest(name, KINDS)}")
    return name


def words(pattern: str) -> WithJsonSchema:
    """Return the JSON Schema of words that fit a pattern, separated by commas."""
    word = pattern.removeprefix("^").removesuffix("$")
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{word})(?:,(?:{word}))*$"})


def words_or_list(pattern: str, item: JsonDict) -> WithJsonSchema:
    """Return the JSON Schema of several values: separated by commas, or in a list."""
    word = pattern.removeprefix("^").removesuffix("$")
    in_a_string = {"type": "string", "pattern": f"^(?:{word})(?:,(?:{word}))*$"}
    return WithJsonSchema({"anyOf": [in_a_string, {"type": "array", "items": item, "maxItems": MAX_VALUES}]})


Moment = Annotated[datetime, BeforeValidator(_moment)]
Digits = BeforeValidator(_number)
Commas = BeforeValidator(_split)
AtMostWords = Field(max_length=MAX_VALUES)

JobId = Annotated[str, Field(strict=True, pattern=ID_PATTERN)]
TaskName = Annotated[str, Field(strict=True, pattern=NAME_PATTERN)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=191, json_schema_extra=PRINTABLE), PrintableText]
Reason = Annotated[
    str,
    Field(strict=True, max_length=MAX_REASON_BYTES, json_schema_extra=PRINTABLE),
    PrintableText,
    AfterValidator(_one_kib),
]
Prefix = Annotated[str, Field(min_length=1, max_length=191, json_schema_extra=PRINTABLE), PrintableText]
Limit = Annotated[int, Field(ge=1, le=1000), Digits]
RunId = Annotated[int, Field(ge=1, le=LARGEST_ID), Digits]
QueryMoment = Annotated[Moment | None, WithJsonSchema({"type": "string", "format": "date-time"})]
CURSOR = r"^[A-Za-z0-9_-]{20,308}$"
Cursor = Annotated[Annotated[str, Field(pattern=CURSOR)] | None, WithJsonSchema({"type": "string", "pattern": CURSOR})]
TriggerType = Annotated[str, AfterValidator(_known_type), WithJsonSchema({"type": "string", "enum": sorted(KINDS)})]


class WriteQuery(WireIn):
    """What every call that writes may be told in its query."""

    dry_run: Literal["true", "false"] = Field(
        "false", description="`true`: check everything and answer as if it were done, and do nothing."
    )
