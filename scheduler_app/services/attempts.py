"""Who tries keys out is stopped: failures are counted by address, whether a key comes in a header or in a form.

A good key is looked up before anything is counted, so that nobody can lock its owner out from the same address.
"""

import hashlib
import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from scheduler_app.errors import TooManyFailures, Unauthorized

WRONG_KEYS_ALLOWED = 10
FAILURES_ALLOWED = 60
FAILURE_SECONDS = 60.0
ADDRESSES_KEPT = 4096
Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values that are forgotten after some seconds, and the oldest first when there are too many."""

    def __init__(self, *, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._kept: OrderedDict[str, tuple[float, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, now: float) -> Value | None:
        """Return what is kept under a name, unless it is too old."""
        kept = self._kept.get(name)
        return kept[1] if kept is not None and now < kept[0] else None

    def put(self, name: str, value: Value, now: float) -> None:
        """Keep a value from now on."""
        with self._lock:
            self._kept[name] = (now + self._seconds, value)
            self._kept.move_to_end(name)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def forget(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._kept.clear()


class Attempts:
    """The failures of this process."""

    def __init__(self) -> None:
        self._failures: Memory[list[str]] = Memory(seconds=FAILURE_SECONDS, most=ADDRESSES_KEPT)

    def failed(self, address: str, tried: str, now: float) -> Unauthorized | TooManyFailures:
        """Count what an address tried; the count starts anew after a minute without a failure.

        Who guesses sends many keys, and is stopped soon; one wrong key again and again is a client set up wrong.
        """
        digest = hashlib.sha256(tried.encode()).hexdigest()
        failures = [*(self._failures.get(address, now) or ()), digest][-FAILURES_ALLOWED - 1 :]
        self._failures.put(address, failures, now)
        if len(failures) > FAILURES_ALLOWED or len(set(failures)) > WRONG_KEYS_ALLOWED:
            return TooManyFailures("too many wrong API keys from this address; wait a minute")
        return Unauthorized("the API key is wrong or has expired")
