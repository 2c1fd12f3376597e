"""Jitter: how long the run of a firing waits, so that jobs which fire together do not start together.

It moves no firing. The delay is a hash of what never changes about the firing, so every engine and every restart comes
to the same one, and the delays of many jobs, as of many firings, are spread evenly.
"""

import json
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b

from scheduler_app.clock import MICROSECOND, to_micros


@lru_cache(maxsize=8192)
def jitter_of(trigger: str) -> timedelta:
    """Return the jitter that a trigger in normal form, as JSON text, asks for; 0 when none."""
    return timedelta(seconds=json.loads(trigger).get("jitter", 0)) if '"jitter"' in trigger else timedelta(0)


def ready_at(job_key: int, scheduled_at: datetime, jitter: timedelta) -> datetime:
    """Return when the run of a firing may start: from the firing itself to before `jitter` after it."""
    if not jitter:
        return scheduled_at
    digest = blake2b(f"{job_key}@{to_micros(scheduled_at)}".encode(), digest_size=8).digest()
    return scheduled_at + MICROSECOND * (int.from_bytes(digest, "big") % (jitter // MICROSECOND))
