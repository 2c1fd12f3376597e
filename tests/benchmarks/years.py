"""A simulated year, firing by firing, through the pytest plugin: `pytest -n0 -s tests/benchmarks/years.py`.

Run by hand, each year in a process of its own (`-k daily`, `-k hourly`, `-k every_minute`) for a peak that is its own.
"""

import resource
import time

import pytest

YEARS = {"daily": ("0 0 * * *", 365), "hourly": ("0 * * * *", 8760), "every_minute": ("* * * * *", 525_600)}


@pytest.mark.parametrize("name", YEARS)
def test_a_year(name, scheduler, fake_clock):
    expression, firings = YEARS[name]
    ran = 0

    @scheduler.task
    def count() -> None:
        nonlocal ran
        ran += 1

    scheduler.add_job("job", count, trigger="cron", expression=expression)
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    fake_clock.advance(days=365)
    wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    assert ran == firings
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cost = f"{wall / 1e9:.1f} s, CPU {cpu / 1e9:.1f} s, {cpu / firings / 1e3:.0f} µs a firing"
    print(f"\n{name}: {cost}, peak {peak:.0f} MiB")
