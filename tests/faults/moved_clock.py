"""A clock that a test moves for several processes at once: a file says which time it is, and how fast it runs."""

import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path


class MovedClock:
    """The machine's clocks, the monotonic one `rate` times as fast, the wall clock as the file says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rate: float = json.loads(file.read_text())["rate"]

    @classmethod
    def made(cls, file: Path, rate: float = 1.0) -> "MovedClock":
        """Make the file, with the machine's time for a start."""
        _write(file, {"wall": datetime.now(UTC).isoformat(), "monotonic": time.monotonic(), "rate": rate})
        return cls(file)

    def now(self) -> datetime:
        state = json.loads(self._file.read_text())
        gone = (time.monotonic() - state["monotonic"]) * self._rate
        return datetime.fromisoformat(state["wall"]) + timedelta(seconds=gone)

    def monotonic(self) -> float:
        return time.monotonic() * self._rate

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds / self._rate)

    def step(self, delta: timedelta) -> None:
        """Set the wall clock of every process that uses the file forward, or back."""
        state = json.loads(self._file.read_text())
        state["wall"] = (datetime.fromisoformat(state["wall"]) + delta).isoformat()
        _write(self._file, state)


def _write(file: Path, state: dict[str, object]) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps(state))
    os.replace(new, file)
