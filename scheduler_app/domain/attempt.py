"""An attempt of a run that was followed by another one."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PastAttempt:
    """How it ended: `failed`, `timed_out`, or `crashed` when what executed it died; `error` in one line."""

    number: int
    state: str
    started_at: datetime
    finished_at: datetime
    error: str | None
