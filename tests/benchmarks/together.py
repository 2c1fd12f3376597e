"""A drain by three processes of ours on one store: each waits for a word before its engine starts.

As a module it is one of them: `python -m tests.benchmarks.together URL COUNTS NUMBER`. How many jobs it has executed it
writes now and then in its place of a file, so that a job costs it no more than it costs one process alone.
"""

import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.drainers import all_settled, fault_of, ours_on
from tests.benchmarks.processes import ROOT, StepError, environment
from tests.benchmarks.workload import Measured

PROCESSES = 3
SECONDS = 300.0
READY = "ready\n"
COUNT = struct.Struct("q")
LOOK_EVERY = 0.005


def measure(store: str, folder: Path, jobs: int) -> Measured:
    """Let all of them go together, and wait for the last settled run."""
    counts = folder / "executed"
    counts.write_bytes(bytes(PROCESSES * COUNT.size))
    with ExitStack() as stack:
        members = [stack.enter_context(_member(store, counts, number)) for number in range(PROCESSES)]
        for member in members:
            if _pipe(member.stdout).readline() != READY:
                raise StepError("a process of the three did not get ready")
        began = time.monotonic()
        for member in members:
            _say(member, "go")
        _wait(counts, jobs, began + SECONDS)
        all_settled(store)
        seconds = time.monotonic() - began
    if fault := fault_of(store, jobs):
        raise StepError(fault)
    return Measured(rate=jobs / seconds)


def _wait(counts: Path, jobs: int, limit: float) -> None:
    while (executed := sum(number for (number,) in COUNT.iter_unpack(counts.read_bytes()))) < jobs:
        if time.monotonic() > limit:
            raise StepError(f"{executed} executions, not {jobs}")
        time.sleep(LOOK_EVERY)


@contextmanager
def _member(store: str, counts: Path, number: int) -> Iterator[subprocess.Popen[str]]:
    """Run one, and let it end by itself."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.together", store, str(counts), str(number)],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
            _say(process, "end")
            process.wait(SECONDS)
        finally:
            process.kill()


def _pipe(pipe: Any) -> Any:
    assert pipe is not None
    return pipe


def _say(member: subprocess.Popen[str], word: str) -> None:
    pipe = _pipe(member.stdin)
    pipe.write(f"{word}\n")
    pipe.flush()


def main(store: str, counts: str, number: str) -> None:
    """Execute from the first word to the second."""
    done: deque[None] = deque()
    scheduler = ours_on(store, lambda: done.append(None))
    scheduler.core.open()
    print(READY, end="", flush=True)
    sys.stdin.readline()
    scheduler.start()
    with open(counts, "r+b", buffering=0) as file:
        while not select.select([sys.stdin], [], [], LOOK_EVERY)[0]:
            os.pwrite(file.fileno(), COUNT.pack(len(done)), int(number) * COUNT.size)
    scheduler.core.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
