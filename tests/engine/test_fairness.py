"""A job whose runs wait by the thousand, or the one-offs of one task, keep no other job of their priority waiting."""

import pytest

from scheduler_app import current_run
from scheduler_app.engine.turns import BEGINNING

NEVER = {"trigger": "date", "run_date": "2030-01-01T00:00:00Z"}
MANY = 2 * BEGINNING
SLOTS = 10


@pytest.fixture
def order(scheduler) -> list[str]:
    """What ran, in order; tasks `crowd` and `rest` note what they are called with."""
    ran: list[str] = []

    @scheduler.task
    def crowd(name: str) -> None:
        ran.append(name)
        current_run.sleep(0.01)

    @scheduler.task
    def rest(name: str) -> None:
        ran.append(name)

    return ran


def crowd_with(scheduler, *, max_instances: int = 1000, name: str = "flood", **policies) -> None:
    """Let many runs of one job wait."""
    scheduler.add_job(name, "crowd", kwargs={"name": name}, max_instances=max_instances, **policies, **NEVER)
    for _ in range(MANY):
        scheduler.run_job(name)


def once(scheduler, name: str, task: str = "rest", **policies) -> None:
    scheduler.add_job(name, task, kwargs={"name": name}, **policies)


@pytest.mark.parametrize("task", ["rest", "crowd"])
def test_a_run_of_another_job_starts_with_the_next_claim(scheduler, fake_clock, order, task):
    crowd_with(scheduler)
    once(scheduler, "other", task)
    fake_clock.run_due()
    assert order.index("other") < SLOTS
    assert len(order) == MANY + 1


def test_half_of_the_places_go_to_others_and_half_to_the_crowd(scheduler, fake_clock, order):
    crowd_with(scheduler)
    for number in range(15):
        once(scheduler, f"other{number}")
    fake_clock.run_due()
    assert sum(name.startswith("other") for name in order[: 2 * SLOTS]) == SLOTS
    others = [name for name in order if name.startswith("other")]
    assert others == [f"other{number}" for number in range(15)]


def test_one_offs_of_one_task_keep_those_of_another_from_nothing(scheduler, fake_clock, order):
    for number in range(MANY):
        once(scheduler, f"flood{number}", "crowd")
    once(scheduler, "other")
    fake_clock.run_due()
    assert order.index("other") < SLOTS
    order.remove("other")
    assert order == [f"flood{number}" for number in range(MANY)]


def test_a_job_whose_runs_wait_for_its_own_places_takes_none_that_others_wait_for(scheduler, fake_clock, order):
    crowd_with(scheduler, max_instances=SLOTS)
    once(scheduler, "other")
    fake_clock.run_due()
    assert order.index("other") <= SLOTS


@pytest.mark.parametrize("number", [3, 9])
def test_a_few_jobs_together_crowd_nobody_out_either(scheduler, fake_clock, order, number):
    flooding = [f"flood{place}" for place in range(number)]
    for name in flooding:
        scheduler.add_job(name, "crowd", kwargs={"name": name}, max_instances=1000, **NEVER)
    for name in flooding * (MANY // number):
        scheduler.run_job(name)
    once(scheduler, "other", "crowd")
    fake_clock.run_due()
    assert order.index("other") < SLOTS


def test_each_of_many_other_jobs_comes_to_its_turn(scheduler, fake_clock, order):
    others = [f"other{number}" for number in range(40)]
    for name in others:  # open, and nothing of them queued
        scheduler.add_job(name, "crowd", kwargs={"name": name}, max_instances=1, **NEVER)
    crowd_with(scheduler)
    for name in others:
        scheduler.run_job(name)
    fake_clock.run_due()
    assert max(order.index(name) for name in others) < 2 * len(others) + 3 * SLOTS


def test_higher_priority_still_comes_first_and_lower_last(scheduler, fake_clock, order):
    crowd_with(scheduler, priority=5)
    once(scheduler, "low")
    once(scheduler, "high", priority=9)
    fake_clock.run_due()
    assert (order[0], order[-1]) == ("high", "low")


def test_in_a_short_queue_who_was_ready_first_starts_first(scheduler, fake_clock, order):
    for number in range(BEGINNING // 2):
        once(scheduler, f"a{number}", "crowd")
    once(scheduler, "b")
    fake_clock.run_due()
    assert order[-1] == "b"
