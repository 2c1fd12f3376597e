"""How much more two CPU-bound runs at once get done than one: in processes, and in threads, which share one core.

    .venv/bin/python -m tests.benchmarks.cores [ROUNDS]

One run and two runs take turns, the median of the ratios counts. On a machine of two free cores it is near 2 for
processes and 1 for threads.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.service.harness import Service, serving

TASKS = Path(__file__).parents[1] / "service" / "process_tasks.py"
SPINS = 150_000
WITHIN = 300.0


def seconds_of(service: Service, executor: str, number: int) -> float:
    """How long so many runs at once take."""
    began = time.perf_counter()
    body = {"task": "p.spins", "kwargs": {"rounds": SPINS}, "executor": executor}
    items = service.post("/jobs/batch", {"jobs": [body] * number})["items"]
    runs = [service.ended(item["job"]["last_run"]["id"], within=WITHIN) for item in items]
    assert {run["state"] for run in runs} == {"succeeded"}
    return time.perf_counter() - began


def gain(service: Service, executor: str, rounds: int) -> float:
    """What two runs at once get done in the time that one takes."""
    seconds_of(service, executor, 2)  # starts what is not started
    ratios = [2 * seconds_of(service, executor, 1) / seconds_of(service, executor, 2) for _ in range(rounds)]
    return median(ratios)


def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name), options=["--tasks", str(TASKS)]) as service:
        for executor in ("process", "thread"):
            print(f"{executor}: two at once get {gain(service, executor, rounds):.2f} × as much done as one")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
