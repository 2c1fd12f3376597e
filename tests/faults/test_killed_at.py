"""kill -9 at every failpoint, under load, one after the other on one store, which is audited after each."""

import random

import pytest

from scheduler_app.failpoints import POINTS
from tests.faults.chaos import Chaos
from tests.faults.forms import SEED, form
from tests.faults.promises import all_are_kept, the_audit_finds_no_breach
from tests.service.harness import Service, wait_until

WORK = ("fire", "claim", "run", "settle", "store")
UPKEEP = ("beat", "rescue", "add", "answer")
PRUNES = {"SCHEDULER_KEEP_FAILED_DAYS": "0"}


def places(*steps: str) -> list[str]:
    return [point for point in POINTS if point.partition(".")[0] in steps]


def survive(service: Service, points: list[str], rounds: int) -> Chaos:
    """Die at each of them while clients submit and jobs fire, then let the work drain and check every promise."""
    luck = random.Random(SEED)
    print(f"CHAOS_SEED={SEED}")
    chaos = Chaos(service, SEED)
    with chaos.load(luck):
        for _ in range(rounds):
            for point in luck.sample(points, len(points)):
                chaos.die_at(point, luck.choice([1, 2, 5]) if point.partition(".")[0] in WORK else 1)
                the_audit_finds_no_breach(service)
        accepted = len(chaos.accepted)
        service.start()
        wait_until(lambda: len(chaos.accepted) > accepted + 3, within=10.0, what="clients find it well again")
    chaos.drain(within=30.0)
    all_are_kept(chaos)
    return chaos


@pytest.mark.slow
@pytest.mark.long
def test_dying_at_any_step_of_the_work_loses_nothing_and_doubles_nothing(stopped: Service) -> None:
    chaos = survive(stopped, places(*WORK), rounds=form(1, 10))
    crashed = [run for run in chaos.runs().values() if run["crashes"]]
    assert crashed, "some of the work was under way"


@pytest.mark.slow
@pytest.mark.long
def test_dying_at_any_step_beside_the_work_loses_nothing_and_doubles_nothing(stopped: Service) -> None:
    chaos = survive(stopped, places(*UPKEEP), rounds=form(1, 10))
    assert chaos.unanswered, "some clients were cut off"


@pytest.mark.slow
def test_dying_while_history_is_pruned_deletes_what_is_to_go_and_nothing_else(stopped: Service) -> None:
    chaos = Chaos(stopped.start(), SEED)
    for _ in range(form(1, 5)):
        failed, kept = stopped.run_now("raises", kwargs={"kind": "plain"}), stopped.run_now("work")
        for point in places("prune"):
            chaos.die_at(point, 1, **PRUNES)
            the_audit_finds_no_breach(stopped)
        stopped.start()
        gone = {stopped.client.get(path).status_code for path in (f"/runs/{failed['id']}", f"/jobs/{failed['job_id']}")}
        assert (gone, stopped.run(kept["id"])["state"]) == ({404}, "succeeded")


def test_every_failpoint_is_died_at() -> None:
    assert sorted(places(*WORK, *UPKEEP, "prune")) == sorted(POINTS)
