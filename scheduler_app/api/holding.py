"""How many requests a process holds open at a time: streams of events, and calls that wait for the end of a run.

Each holds a thread of the server, so there are only so many of both together, and none once the process ends.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from scheduler_app.api.refusals import NoStreamLeft

EXTENSION = "scheduler_app.holding"
MOST = 24


@dataclass(frozen=True, kw_only=True)
class Holding:
    """The places for such requests: at most `most` at a time, and none while the process is `ending`."""

    ending: Callable[[], bool]
    most: int
    taken: set[object] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, refusal: str) -> object:
        """Take a place until it is given back; NoStreamLeft, with what to do then, when there is none."""
        place = object()
        with self.lock:
            if self.ending() or len(self.taken) >= self.most:
                raise NoStreamLeft(f"this process holds no more than {self.most} requests open; {refusal}")
            self.taken.add(place)
        return place

    def give_back(self, place: object) -> None:
        """Let somebody else have a place; once more changes nothing."""
        self.taken.discard(place)

    @contextmanager
    def place(self, refusal: str) -> Iterator[None]:
        """Have a place inside the block."""
        place = self.take(refusal)
        try:
            yield
        finally:
            self.give_back(place)
