"""The task that every contender executes: it only counts itself, and says when the last one has ended."""

import threading
import time
from itertools import count


class Tally:
    """Counts executions; `next` of a counter is one step of the interpreter, so no lock weighs on what is measured."""

    def __init__(self) -> None:
        self.wanted = 0
        self.first_at = 0.0
        self.last_at = 0.0
        self.ended = threading.Event()
        self._numbers = count(1)

    def add(self) -> None:
        """Count one execution."""
        number = next(self._numbers)
        if number == 1:
            self.first_at = time.perf_counter()
        if number == self.wanted:
            self.last_at = time.perf_counter()
            self.ended.set()

    def total(self) -> int:
        """Return how many there were; asked once, after the end."""
        return next(self._numbers) - 1


tally = Tally()


def noop() -> None:
    """Do nothing but be counted."""
    tally.add()
