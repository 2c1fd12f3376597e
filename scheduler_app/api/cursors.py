"""Cursors: where a list goes on. Base64url of three letters that say which list, and of the last item shown.

Their form is a regular language that the query models tell, so that a client, and a fuzzer, can know a wrong one.
"""

import base64

from scheduler_app.schemas.fields import LARGEST_ID

JOBS = b"job"
RUNS = b"run"


def encode_job(job_id: str | None) -> str | None:
    """Return the cursor that goes on after a job."""
    return None if job_id is None else _encode(JOBS + job_id.encode())


def decode_job(cursor: str | None) -> str | None:
    """Return the id of the job after which to go on. Any bytes are some place in the order of ids."""
    return None if cursor is None else _decode(cursor).decode("latin-1")


def encode_run(run_id: int | None) -> str | None:
    """Return the cursor that goes on before a run."""
    return None if run_id is None else _encode(RUNS + run_id.to_bytes(8, "big"))


def decode_run(cursor: str | None) -> int | None:
    """Return the id of the run before which to go on."""
    return None if cursor is None else min(int.from_bytes(_decode(cursor), "big"), LARGEST_ID)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[3:]
