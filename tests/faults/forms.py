"""How much this suite does: its short form, which CI runs, or with FAULTS=long in the environment its long one."""

import os
import secrets
from typing import TypeVar

T = TypeVar("T")
LONG = os.environ.get("FAULTS") == "long"
SEED = int(os.environ.get("CHAOS_SEED") or secrets.randbits(32))


def form(short: T, long: T) -> T:
    """The one value or the other."""
    return long if LONG else short
