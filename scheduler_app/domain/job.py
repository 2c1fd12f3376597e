"""A job: a task, its arguments, a trigger and policies, under an id that the caller may choose."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from scheduler_app.clock import to_micros
from scheduler_app.domain.policy import Overrides, Policies
from scheduler_app.values import value

LOW_62 = (1 << 62) - 1
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,190}$"
NO_OVERRIDES = Overrides()
_ID = re.compile(ID_PATTERN.removesuffix("$") + r"\Z")


class JobState(StrEnum):
    """Where a job stands. A job is finished when nothing is due any more and no run of it is open."""

    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"
    BROKEN = "broken"


@value
class LastRun:
    """The newest run of a job."""

    id: int
    state: str


@value
class Job:
    """A job as it is kept. `key` is never used twice; `id` may be, after a delete. Times are aware UTC.

    `unreadable` tells which parts of its row could not be read, and why; a default stands in for each. `lacks_parent`
    tells whether it comes after a job that there is not.
    """

    key: int
    id: str
    name: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    trigger: dict[str, Any] | None
    overrides: Overrides
    policies: Policies
    state: JobState
    reason: str | None
    next_run_time: datetime | None
    paused_until: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    skip_count: int = 0
    unreadable: Mapping[str, str] = field(default_factory=dict)
    last_run: LastRun | None = None
    lacks_parent: bool = False

    def stored(self, key: int, last_run: LastRun | None) -> "Job":
        """Note in a job that was admitted what it has got as it was written, and return it.

        Nobody else knows of it yet: a copy, one for each submit, would cost as much as reading its trigger.
        """
        for name, part in (("key", key), ("last_run", last_run)):
            setattr(self, name, part)
        return self


@value
class JobSpec:
    """What a caller asks for when adding a job."""

    task: str
    id: str | None = None
    name: str | None = None
    args: list[Any]
    kwargs: dict[str, Any]
    trigger: dict[str, Any] | None = None
    overrides: Overrides = NO_OVERRIDES


def is_job_id(text: str) -> bool:
    """Whether `text` may be the id of a job."""
    return _ID.match(text) is not None


def new_job_id(now: datetime) -> str:
    """Return a UUIDv7 (RFC 9562): 48 bits of milliseconds, then random bits, so that ids sort by time."""
    milliseconds = to_micros(now) // 1000
    luck = secrets.randbits(74)
    value = milliseconds << 80 | 0x7 << 76 | luck >> 62 << 64 | 0b10 << 62 | luck & LOW_62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
