"""Processes that write to one store at once and tell how long each waited at its gate, and held it.

Run as a module it is such a process: `python -m tests.faults.writers STORE SECONDS`; it begins at a line of input.
"""

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from scheduler_app.store.database import Database
from scheduler_app.store.gate import Gate

ROOT = Path(__file__).parents[2]
THINKS = 0.005
Span = tuple[float, float]


@dataclass(frozen=True)
class Visits:
    """When a process waited for the gate, and when it held it, on the machine's monotonic clock."""

    waits: list[Span]
    holds: list[Span]


class WatchedGate:
    """Notes the visits of this process to the gate."""

    def __init__(self) -> None:
        self.waits: list[Span] = []
        self.holds: list[Span] = []
        enter, leave = Gate.enter, Gate.leave

        def watched_enter(gate: Gate, patience: float) -> None:
            began = time.monotonic()
            enter(gate, patience)
            self.waits.append((began, time.monotonic()))

        def watched_leave(gate: Gate) -> None:
            self.holds.append((self.waits[-1][1], time.monotonic()))
            leave(gate)

        Gate.enter, Gate.leave = watched_enter, watched_leave  # type: ignore[method-assign]


def all_writing(store: Path, processes: int, seconds: float) -> list[Visits]:
    """Let that many processes write for that long, and return the visits of each."""
    command = [sys.executable, "-m", "tests.faults.writers", str(store), str(seconds)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(processes)
    ]
    try:
        for process in started:
            assert _told(process) == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.close()
        found = [json.loads(_told(process)) for process in started]
        assert [process.wait(10.0) for process in started] == [0] * processes
    finally:
        for process in started:
            process.kill()
            process.wait(10.0)
            assert process.stdout is not None
            process.stdout.close()
    return [
        Visits(**{name: [(first, last) for first, last in spans] for name, spans in told.items()}) for told in found
    ]


def _told(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def main(store: Path, seconds: float) -> None:
    """Write, think a little, write again."""
    watched, database = WatchedGate(), Database(f"sqlite:///{store}")
    database.write(lambda tx: tx.execute(sa.text("CREATE TABLE IF NOT EXISTS written (at REAL)")))
    print("ready", flush=True)
    sys.stdin.readline()
    watched.waits.clear()
    watched.holds.clear()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        database.write(lambda tx: tx.execute(sa.text("INSERT INTO written VALUES (:at)"), {"at": time.monotonic()}))
        time.sleep(random.uniform(0.0, 2 * THINKS))
    print(json.dumps({"waits": watched.waits, "holds": watched.holds}))
    database.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
