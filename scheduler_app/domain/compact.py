"""JSON text as it is kept."""

import json

# one for all: making an encoder costs as much as encoding a small value
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
compact = _encoder.encode
parse = json.JSONDecoder().decode
NULL = compact(None)
