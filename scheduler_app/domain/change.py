"""What the audit tells of a change: what it was, of what, and how that was before and after, in a bounded size."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic_core import to_json

from scheduler_app.clock import rfc3339
from scheduler_app.domain.job import Job

LONGEST_VALUE = 1024
SHOWN_OF_LONG = 200
ONCE = (None, "date")
# who changes something without a key
CODE, ENGINE, COMMAND_LINE, LOGIN, ANYONE = "code", "engine", "command line", "login", "anyone"
KEYLESS = (CODE, ENGINE, COMMAND_LINE, LOGIN, ANYONE)
# whatever stands in a damaged row can be told
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


class What(StrEnum):
    """Which change it was."""

    JOB_CREATED = "job.created"
    JOB_CHANGED = "job.changed"
    JOB_PAUSED = "job.paused"
    JOB_RESUMED = "job.resumed"
    JOB_SKIPPED = "job.skipped"
    JOB_RUN = "job.run"
    JOB_DELETED = "job.deleted"
    RUN_CANCELLED = "run.cancelled"
    RUN_RETRIED = "run.retried"
    SCHEDULER_PAUSED = "scheduler.paused"
    SCHEDULER_RESUMED = "scheduler.resumed"
    ENGINE_DRAINED = "engine.drained"
    ENGINE_RESUMED = "engine.resumed"
    ENGINE_FORGOTTEN = "engine.forgotten"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    SESSION_BEGUN = "session.begun"
    SESSION_ENDED = "session.ended"
    LINK_MADE = "session.link_made"


# who may see the rest may not see these: they are about who may do what
ABOUT_KEYS = tuple(what for what in What if what.startswith(("key.", "session.")))


def of_job(job_id: str) -> str:
    """Return the subject of a change of a job."""
    return f"job:{job_id}"


def of_run(run_id: int) -> str:
    """Return the subject of a change of a run."""
    return f"run:{run_id}"


def of_engine(engine: int) -> str:
    """Return the subject of a change of an engine."""
    return f"engine:{engine}"


def of_key(key_id: int) -> str:
    """Return the subject of a change of a key, or of who is signed in with it."""
    return f"key:{key_id}"


def is_noted(job: Job, who: str) -> bool:
    """Whether the adding of a job is a change of what is scheduled.

    A one-off that runs now is work, of which its run tells; so is what code puts off to a later time.
    """
    kind = None if job.trigger is None else job.trigger["type"]
    return kind not in ONCE or (kind is not None and who != CODE)


def facts(job: Job) -> dict[str, Any]:
    """Return what there is to a job."""
    return {name: value for name, value in _fields(job).items() if value}


def difference(before: Job, after: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a job that a change has changed, as they were and as they are."""
    old, new = _fields(before), _fields(after)
    changed = [name for name, value in new.items() if value != old[name]]
    return {name: old[name] for name in changed}, {name: new[name] for name in changed}


def _fields(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "task": job.task,
        "args": job.args,
        "kwargs": job.kwargs,
        "trigger": job.trigger,
        "policies": job.overrides.given(),
        "state": str(job.state),
        "reason": job.reason,
        "paused_until": None if job.paused_until is None else rfc3339(job.paused_until),
        "skip_count": job.skip_count,
    }


def bounded(values: Mapping[str, Any]) -> str:
    """Return values as JSON text; of one that is long only its beginning is told, and its length."""
    try:
        text = to_json(values, fallback=str).decode()
    except ValueError:  # half a character, or a knot
        text = ""
    if text and len(text) <= LONGEST_VALUE:
        return text
    return _encode({name: _bounded(value) for name, value in values.items()})


def _bounded(value: Any) -> Any:
    text = _encode(value)
    return value if len(text) <= LONGEST_VALUE else f"{text[:SHOWN_OF_LONG]}… ({len(text)} characters)"
