"""kill -9 while ends are settled and rescued: each end of a run has fired what comes after it exactly once."""

import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler_app.services import jobs
from tests.faults.lone_engine import Lab, a_lab
from tests.service.harness import wait_until

DYING = ("settle.before_commit=kill:4", "settle.after_commit=kill:4")


def add_chain(lab: Lab) -> None:
    """Add a job that fires all the time and succeeds, one of which what crashes is lost, and all that follows them."""
    lab.add("work", id="extract", trigger={"type": "interval", "seconds": 0.1}, overlap="queue_all", max_instances=5)
    lab.add("work", id="transform", trigger={"type": "after", "job": "extract"}, overlap="queue_all")
    lab.add("tick", id="report", trigger={"type": "after", "job": "transform"}, overlap="queue_all")
    once = {"kwargs": {"seconds": 0.2}, "delivery": "at_most_once", "max_instances": 5}
    lab.add("work", id="risky", trigger={"type": "interval", "seconds": 0.2}, overlap="queue_all", **once)
    lab.add("tick", id="alarm", trigger={"type": "after", "job": "risky", "on": "failure"}, overlap="queue_all")
    # what ends within a minute of a change of its follower is not judged by the audit
    lab.clock.step(timedelta(minutes=2))


def fired_by(lab: Lab, job_id: str) -> Counter[int | None]:
    return Counter(run.parent for run in lab.runs(job_id))


def ended(lab: Lab, job_id: str, *states: str) -> Counter[int | None]:
    return Counter(run.id for run in lab.runs(job_id) if run.state in states)


@pytest.mark.slow
@pytest.mark.databases
def test_an_engine_that_is_killed_while_it_settles_loses_and_doubles_no_firing_of_a_follower(
    tmp_path: Path, scheduler_database: str
) -> None:
    with a_lab(tmp_path, database=scheduler_database) as lab:
        add_chain(lab)
        for point in DYING:
            dying = lab.engine(SCHEDULER_FAILPOINTS=point)
            assert dying.process.wait(30.0) == -signal.SIGKILL
        lab.engine()
        done = len(lab.runs("report"))
        wait_until(lambda: len(lab.runs("report")) > done + 5 and ended(lab, "risky", "lost"), within=30.0)
        for job_id in ("extract", "risky"):
            jobs.pause_job(job_id, reason=None, ctx=lab.core.ctx)
        wait_until(lambda: not any(run.is_open for run in lab.runs()), within=40.0)
        assert fired_by(lab, "transform") == ended(lab, "extract", "succeeded")
        assert fired_by(lab, "report") == ended(lab, "transform", "succeeded")
        assert fired_by(lab, "alarm") == ended(lab, "risky", "lost")
        assert lab.breaches() == []
