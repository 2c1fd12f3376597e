"""Executions counted across processes: each appends eight bytes to one file, which costs a microsecond and no lock."""

import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.processes import StepError

AGE = struct.Struct("d")
LOOK_EVERY = 0.005


class Marks:
    """The file as the one sees it who waits."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()

    def count(self) -> int:
        """Return how many there are."""
        return self.file.stat().st_size // AGE.size

    def ages(self) -> Sequence[float]:
        """Return how many seconds lay between each job's adding and its execution."""
        return [age for (age,) in AGE.iter_unpack(self.file.read_bytes())]

    def wait_for(self, number: int, limit: float) -> float:
        """Wait until there are so many and return the time."""
        while self.count() < number:
            if time.monotonic() > limit:
                raise StepError(f"{self.count()} executions, not {number}")
            time.sleep(LOOK_EVERY)
        return time.monotonic()


class Marker:
    """The file as the one sees it who executes; EXECUTED names it."""

    def __init__(self) -> None:
        name = os.environ.get("EXECUTED", os.devnull)
        self._file = os.open(name, os.O_WRONLY | os.O_APPEND)

    def mark(self, sent: float) -> None:
        """Note that one was executed which was added then."""
        os.write(self._file, AGE.pack(time.monotonic() - sent))
