"""A simulated year of a daily, an hourly and a per-minute job, firing by firing, and what it costs.

    .venv/bin/python -m tests.benchmarks.years [daily] [hourly] [every_minute]

Each year is simulated in a process of its own, so that its peak of memory is its own.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scheduler_app.testing.stage import own_app, simulated

YEARS = {"daily": ("0 0 * * *", 365), "hourly": ("0 * * * *", 8760), "every_minute": ("* * * * *", 525_600)}
DAYS = 365
TOLD = 20


def simulate(name: str) -> str:
    """Simulate a year, tell on standard error how far it is, and return what it cost."""
    expression, firings = YEARS[name]
    ran = 0
    with tempfile.TemporaryDirectory() as folder, simulated(own_app(Path(folder))) as stage:

        @stage.scheduler.task
        def count() -> None:
            nonlocal ran
            ran += 1
            if ran % (firings // TOLD) == 0:
                tell(f"\r{name}: {ran:,} of {firings:,} firings")

        stage.scheduler.add_job("job", count, trigger="cron", expression=expression)
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        stage.clock.advance(days=DAYS)
        wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    tell("\r")
    assert ran == firings, f"{ran} of {firings} firings ran"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cost = f"{wall / 1e9:.2f} s, CPU {cpu / 1e9:.2f} s, {cpu / firings / 1e3:.0f} µs a firing"
    return f"{name}: {cost}, peak {peak:.0f} MiB"


def tell(text: str) -> None:
    """Write past the streams that keep what a task prints with its run."""
    if sys.__stderr__ is not None:
        sys.__stderr__.write(text)
        sys.__stderr__.flush()


def main(names: list[str]) -> None:
    """Simulate one year here, each of several in a process of its own."""
    unknown = sorted({*names} - {*YEARS})
    if unknown:
        sys.exit(f"there is no year {', '.join(unknown)}; there are {', '.join(YEARS)}")
    if len(names) == 1:
        print(simulate(names[0]), flush=True)
        return
    for name in names or YEARS:
        subprocess.run([sys.executable, "-m", "tests.benchmarks.years", name], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
