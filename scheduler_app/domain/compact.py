"""JSON text as it is kept."""

import json
from typing import Any

# one for all: making an encoder costs as much as encoding a small value
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
compact = _encoder.encode
NULL = compact(None)
_decoder = json.JSONDecoder()


def parse(text: str) -> Any:
    """Return what JSON text says; most is of a call without arguments."""
    if text == "[]":
        return []
    return {} if text == "{}" else _decoder.decode(text)
