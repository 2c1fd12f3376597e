"""A process that starts on a store and ends with its first run: `python -m tests.benchmarks.first_run STORE BORN`.

BORN is when the process was asked for, in seconds since 1970. It prints what it took since then, and since the engine
was started, as one line of JSON.
"""

import json
import sys
import threading
import time
from pathlib import Path

from flask import Flask

from scheduler_app import Scheduler
from tests.benchmarks.memory import resident_mib

LONGEST = 60.0


def main(store: str, born: str) -> dict[str, float]:
    """Start an app as a user's program does, and wait for the first line of a task."""
    path, ran, at = Path(store).absolute(), threading.Event(), list[tuple[float, float]]()
    app = Flask("benchmark", instance_path=str(path.parent))
    app.config["SCHEDULER_DATABASE"] = f"sqlite:///{path}"
    scheduler = Scheduler(app)

    @scheduler.task
    def tick(first: int) -> None:
        at.append((time.time(), time.process_time()))
        ran.set()

    began, cpu = time.time(), time.process_time()
    scheduler.start()
    if not ran.wait(LONGEST):
        raise SystemExit(f"no run within {LONGEST:g} s")
    memory = resident_mib()
    scheduler.core.close()
    return {
        "process_ms": (at[0][0] - float(born)) * 1000,
        "engine_ms": (at[0][0] - began) * 1000,
        "process_cpu_ms": at[0][1] * 1000,
        "engine_cpu_ms": (at[0][1] - cpu) * 1000,
        "resident_mib": memory,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])), flush=True)
