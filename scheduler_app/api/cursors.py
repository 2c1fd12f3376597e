"""Cursors: where a list goes on. Base64url of a digest of the list's query, then of the place of the last item shown.

A cursor belongs to its query: in a list of another filter or order it would leave items out in silence.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from scheduler_app.api.refusals import BadQuery
from scheduler_app.errors import Fault
from scheduler_app.store.jobs import JobFilter, JobPlace
from scheduler_app.store.runs import RunFilter, RunPlace

Place = TypeVar("Place")
DIGEST_BYTES = 6
NUMBER_BYTES = 8


def encode_job(place: JobPlace | None, where: JobFilter) -> str | None:
    """Return the cursor that goes on after a job."""
    return None if place is None else _encode(where, _number(place.value) + place.id.encode())


def decode_job(cursor: str | None, where: JobFilter) -> JobPlace | None:
    """Return the place after which to go on."""
    return _decode(cursor, where, lambda raw: JobPlace(value=_read(raw), id=raw[NUMBER_BYTES:].decode("latin-1")))


def encode_run(place: RunPlace | None, where: RunFilter) -> str | None:
    """Return the cursor that goes on after a run."""
    return None if place is None else _encode(where, _number(place.value) + _number(place.id))


def decode_run(cursor: str | None, where: RunFilter) -> RunPlace | None:
    """Return the place after which to go on."""
    return _decode(cursor, where, lambda raw: RunPlace(value=_read(raw), id=_read(raw[NUMBER_BYTES:])))


def encode_number(place: int | None, where: Any) -> str | None:
    """Return the cursor that goes on after something of a number."""
    return None if place is None else _encode(where, _number(place) + b".")


def decode_number(cursor: str | None, where: Any) -> int | None:
    """Return the number after which to go on."""
    return _decode(cursor, where, _read)


def _digest(where: Any) -> bytes:
    return hashlib.sha256(repr(where).encode(errors="backslashreplace")).digest()[:DIGEST_BYTES]


def _encode(where: Any, content: bytes) -> str:
    return base64.urlsafe_b64encode(_digest(where) + content).rstrip(b"=").decode()


def _decode(cursor: str | None, where: Any, read: Callable[[bytes], Place]) -> Place | None:
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raw = b""
    if len(raw) < DIGEST_BYTES + NUMBER_BYTES + 1 or not raw.startswith(_digest(where)):
        detail = "this cursor belongs to a list of other filters or another sort; keep them, or leave the cursor out"
        raise BadQuery(detail, faults=[Fault(pointer="/cursor", detail=detail)])
    return read(raw[DIGEST_BYTES:])


def _number(value: int) -> bytes:
    return value.to_bytes(NUMBER_BYTES, "big", signed=True)


def _read(raw: bytes) -> int:
    return int.from_bytes(raw[:NUMBER_BYTES], "big", signed=True)
