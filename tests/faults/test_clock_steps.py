"""Clock steps of an hour and of a day, both ways, under two engines on one store."""

import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from scheduler_app.services import runs
from scheduler_app.store.tables import engines
from tests.faults.lone_engine import Lab, a_lab
from tests.service.harness import wait_until

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVERY_SECOND = {"type": "interval", "seconds": 1}
QUIET = 1.5


def newest(lab: Lab, job: str) -> int:
    return max(run.id for run in lab.runs(job))


def goes_on(lab: Lab, *names: str) -> None:
    """Wait until each of these jobs has fired twice from now on, which must not take longer than three seconds."""
    for name in names:
        before = len(lab.runs(name))
        wait_until(lambda name=name, before=before: len(lab.runs(name)) >= before + 2, within=3.0, what=name)


def stands_still(lab: Lab, *names: str) -> None:
    """Nothing of these jobs fires, and the engines rest meanwhile; what is added runs at once all the same."""
    before = {name: newest(lab, name) for name in names}
    used = [engine.cpu_seconds() for engine in lab.engines]
    until = time.monotonic() + QUIET
    wait_until(lambda: time.monotonic() >= until, within=QUIET + 5)
    spent = [engine.cpu_seconds() - before for engine, before in zip(lab.engines, used, strict=True)]
    assert max(spent) < QUIET / 3, f"busy for {spent} s of {QUIET}"
    assert {name: newest(lab, name) for name in names} == before
    run = lab.one_off("work")
    wait_until(lambda: lab.run(run).state == "succeeded", within=3.0)


def live_engines(lab: Lab) -> Counter[str]:
    with lab.core.database.read() as tx:
        return Counter(tx.execute(sa.select(engines.c.state)).scalars())


@pytest.mark.slow
@pytest.mark.parametrize("step", [HOUR, DAY], ids=["hour", "day"])
@pytest.mark.long
def test_steps_of_the_clock_fire_nothing_twice_and_kill_nothing(
    tmp_path: Path, database: str | None, step: timedelta
) -> None:
    with a_lab(tmp_path, database=database) as lab:
        lab.engine()
        lab.engine()
        policies = {
            "each": {"coalesce": False, "overlap": "queue_all", "max_instances": 10},
            "latest": {"coalesce": True},
            "graced": {"coalesce": False, "misfire_grace_time": 5.0, "overlap": "queue_all"},
        }
        for name, given in policies.items():
            lab.add("tick", id=name, trigger=EVERY_SECOND, **given)
        long = lab.one_off("polite", kwargs={"seconds": 600})
        goes_on(lab, *policies)

        lab.clock.step(step)
        goes_on(lab, *policies)
        seconds = step // timedelta(seconds=1)
        assert {run.reason for run in lab.runs("graced") if run.missed} == {"misfire_grace_time"}
        assert seconds - 6 <= missed(lab, "graced") <= seconds
        assert seconds - 3 <= missed(lab, "latest") <= seconds
        assert seconds - 103 <= missed(lab, "each") <= seconds - 97

        lab.clock.step(-step)
        stands_still(lab, *policies)
        lab.clock.step(-step)
        stands_still(lab, *policies)
        lab.clock.step(2 * step)
        goes_on(lab, *policies)

        run = lab.run(long)
        assert (run.state, run.attempt, run.crashes) == ("running", 1, 0)
        assert live_engines(lab) == {"running": 2}
        assert max(Counter(mark.run for mark in lab.marks("begin")).values()) == 1
        runs.cancel_run(long, ctx=lab.core.ctx)
        lab.rest(*policies)
        assert lab.breaches() == []


def missed(lab: Lab, job: str) -> int:
    """How many firings of a job its missed ranges count, or span where they are too many to be counted."""
    spans = [run.missed for run in lab.runs(job) if run.missed]
    return sum(span.count or (span.until - span.since) // timedelta(seconds=1) + 1 for span in spans)
