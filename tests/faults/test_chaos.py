"""kill -9 at any moment: no accepted job is lost, nothing begins twice that may not, no firing is lost or doubled."""

import os
import secrets
import subprocess
from collections import Counter

import pytest

from tests.faults.chaos import FIRING, INTERVAL, Chaos, moment, slots_between, slots_of, unfinished
from tests.service.harness import COMMAND, Service

SEED = int(os.environ.get("CHAOS_SEED") or secrets.randbits(32))


def survive(service: Service, kills: int, drain: float) -> None:
    """Run the experiment, and check every promise at its end."""
    chaos = Chaos(service, SEED)
    print(f"CHAOS_SEED={SEED}")
    chaos.run(kills)
    chaos.drain(drain)
    assert unfinished(chaos.runs()) == []
    no_accepted_job_was_lost(chaos)
    nothing_began_twice_that_may_not(chaos)
    every_slot_was_recorded_once(chaos)
    work_was_taken_up_at_once(chaos)
    the_audit_finds_no_breach(service)
    report(chaos)
    assert service.stop() == 0
    the_audit_finds_no_breach(service)


def no_accepted_job_was_lost(chaos: Chaos) -> None:
    runs, ended = chaos.runs(), Counter(mark.run for mark in chaos.service.marks("end"))
    assert chaos.accepted
    for one in chaos.accepted:
        run = runs[one.run]
        allowed = {"succeeded"} if one.delivery == "at_least_once" else {"succeeded", "lost"}
        assert run["state"] in allowed, f"{run['state']}: {run}"
        assert run["state"] == "lost" or ended[one.run] >= 1, f"nobody saw the end of {run}"


def nothing_began_twice_that_may_not(chaos: Chaos) -> None:
    once = {one.run for one in chaos.accepted if one.delivery == "at_most_once"}
    begun = Counter(mark.run for mark in chaos.service.marks("begin"))
    assert {run: count for run, count in begun.items() if run in once and count > 1} == {}


def every_slot_was_recorded_once(chaos: Chaos) -> None:
    for name in FIRING:
        job = chaos.service.get(f"/jobs/{name}")
        first = moment(job["trigger"]["start_date"])
        due = [slot for slot in slots_between(first, moment(job["updated_at"])) if slot > moment(job["created_at"])]
        runs = [run for run in chaos.service.runs(job_id=name) if run["origin"] == "schedule"]
        assert slots_of(runs) == due, f"of {name}, every {INTERVAL}"
        assert {run["state"] for run in runs} <= {"succeeded", "missed", "skipped"}


def work_was_taken_up_at_once(chaos: Chaos) -> None:
    assert max(chaos.restarts(), default=0.0) < 5.0


def the_audit_finds_no_breach(service: Service) -> None:
    ended = subprocess.run([COMMAND, "audit", "--data", service.data], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def report(chaos: Chaos) -> None:
    states = Counter(run["state"] for run in chaos.runs().values())
    crashes = Counter(run["crashes"] for run in chaos.runs().values())
    print(f"{len(chaos.kills)} kills, {len(chaos.accepted)} accepted, {chaos.unanswered} unanswered")
    print(f"refused: {Counter(chaos.refused)}, states: {dict(states)}, crashes of a run: {dict(crashes)}")
    print(
        f"first restart of work after at most {max(chaos.restarts(), default=0.0):.2f} s, {len(chaos.restarts())} seen"
    )


@pytest.mark.slow
def test_five_kills_lose_nothing_and_double_nothing(stopped: Service) -> None:
    survive(stopped, kills=5, drain=20.0)


@pytest.mark.slow
def test_many_kills_lose_nothing_and_double_nothing(stopped: Service) -> None:
    """CHAOS_KILLS=200 is the long form: it takes ten minutes."""
    survive(stopped, kills=int(os.environ.get("CHAOS_KILLS", "40")), drain=60.0)
