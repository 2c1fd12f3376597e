"""JSON text as it is kept."""

import json
from typing import Any

from pydantic_core import from_json, to_json

# one for all: making an encoder costs as much as encoding a small value
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
# refuses what is not JSON
compact = _encoder.encode
NULL = compact(None)
_decoder = json.JSONDecoder()


def text_of(value: Any) -> str:
    """Return as text what is JSON for certain, at a tenth of the price of finding out."""
    return to_json(value).decode()


def parse(text: str) -> Any:
    """Return what JSON text says."""
    try:
        return from_json(text)
    except ValueError:  # nested deeper than 200 levels, or wrong, which this tells in its words
        return _decoder.decode(text)
