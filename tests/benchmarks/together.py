"""A drain by three processes of ours on one store: each waits for a word before its engine starts.

As a module it is one of them: `python -m tests.benchmarks.together URL`.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.drainers import all_settled, fault_of, ours_on
from tests.benchmarks.marks import Marker, Marks
from tests.benchmarks.processes import ROOT, StepError, environment
from tests.benchmarks.workload import Measured

PROCESSES = 3
SECONDS = 300.0
READY = "ready\n"


def measure(store: str, folder: Path, jobs: int) -> Measured:
    """Let all of them go together, and wait for the last settled run."""
    marks = Marks(folder / "executed")
    with ExitStack() as stack:
        members = [stack.enter_context(_member(store, marks)) for _ in range(PROCESSES)]
        for member in members:
            if _pipe(member.stdout).readline() != READY:
                raise StepError("a process of the three did not get ready")
        began = time.monotonic()
        for member in members:
            _say(member, "go")
        marks.wait_for(jobs, began + SECONDS)
        all_settled(store)
        seconds = time.monotonic() - began
    if fault := fault_of(store, jobs):
        raise StepError(fault)
    return Measured(rate=jobs / seconds)


@contextmanager
def _member(store: str, marks: Marks) -> Iterator[subprocess.Popen[str]]:
    """Run one, and let it end by itself."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.together", store],
        cwd=ROOT,
        env=environment() | {"EXECUTED": str(marks.file)},
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


def main(store: str) -> None:
    """Execute from the first word to the second."""
    marker = Marker()
    scheduler = ours_on(store, lambda: marker.mark(0.0))
    scheduler.core.open()
    print(READY, end="", flush=True)
    sys.stdin.readline()
    scheduler.start()
    sys.stdin.readline()
    scheduler.core.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
