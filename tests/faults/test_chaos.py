"""kill -9 at any moment: no accepted job is lost, nothing begins twice that may not, no firing is lost or doubled."""

import os
from collections import Counter

import pytest

from tests.faults.chaos import Chaos
from tests.faults.forms import SEED, form
from tests.faults.promises import all_are_kept, the_audit_finds_no_breach
from tests.service.harness import Service


def survive(service: Service, kills: int, drain: float) -> None:
    """Run the experiment, and check every promise at its end."""
    chaos = Chaos(service, SEED)
    print(f"CHAOS_SEED={SEED}")
    chaos.run(kills)
    chaos.drain(drain)
    all_are_kept(chaos)
    work_was_taken_up_at_once(chaos)
    report(chaos)
    assert service.stop() == 0
    the_audit_finds_no_breach(service)


def work_was_taken_up_at_once(chaos: Chaos) -> None:
    assert max(chaos.restarts(), default=0.0) < 5.0


def report(chaos: Chaos) -> None:
    states = Counter(run["state"] for run in chaos.runs().values())
    crashes = Counter(run["crashes"] for run in chaos.runs().values())
    print(f"{len(chaos.kills)} kills, {len(chaos.accepted)} accepted, {len(chaos.unanswered)} unanswered")
    print(f"refused: {Counter(chaos.refused)}, states: {dict(states)}, crashes of a run: {dict(crashes)}")
    print(
        f"first restart of work after at most {max(chaos.restarts(), default=0.0):.2f} s, {len(chaos.restarts())} seen"
    )


@pytest.mark.slow
@pytest.mark.long
def test_many_kills_lose_nothing_and_double_nothing(stopped: Service) -> None:
    survive(stopped, kills=int(os.environ.get("CHAOS_KILLS") or form(20, 1000)), drain=60.0)
