"""`overlap`, `coalesce: false` and how both go together with the other policies."""

from datetime import timedelta

import pytest

from scheduler_app import current_run
from scheduler_app.services import jobs, runs
from scheduler_app.store import claims
from scheduler_app.testing.clock import START
from tests.engine.test_rescue import other_engine

HOURLY = {"trigger": "interval", "minutes": 1}


@pytest.fixture
def unclaimed(scheduler):
    """A task that nobody claims, so that its jobs stay as full as they are."""

    @scheduler.task
    def unclaimed() -> None:
        pass

    task = scheduler.registry._tasks.pop("unclaimed")
    yield task
    scheduler.registry._tasks["unclaimed"] = task


def add(scheduler, task, **policies) -> None:
    """Add a job of a task that is registered for this moment only."""
    scheduler.registry._tasks[task.name] = task
    scheduler.add_job("job", task.name, **HOURLY, **policies)
    del scheduler.registry._tasks[task.name]


def claimed(scheduler, task) -> None:
    """Let an engine elsewhere start everything that is queued."""
    core = scheduler.core
    engine = other_engine(scheduler)

    def work(tx):
        rows = claims.candidates(tx, [task.name], executor="thread", limit=10)
        claims.take(tx, rows, engine=engine, token=1, alone=False, now=core.clock.now())

    core.database.write(work)


def test_cancel_running_asks_the_running_run_to_stop_and_the_new_firing_waits_for_its_place(
    scheduler, fake_clock, watch, unclaimed
):
    add(scheduler, unclaimed, overlap="cancel_running")
    fake_clock.advance(minutes=1)
    claimed(scheduler, unclaimed)
    fake_clock.advance(minutes=1)
    first, second = watch.runs("job")
    assert (first.state, first.cancel_requested) == ("running", True)
    assert (second.state, second.reason) == ("scheduled", "blocked")


def test_with_cancel_running_only_the_newest_firing_waits(scheduler, fake_clock, watch, unclaimed):
    add(scheduler, unclaimed, overlap="cancel_running")
    fake_clock.advance(minutes=1)
    claimed(scheduler, unclaimed)
    fake_clock.advance(minutes=3)
    assert watch.story("job") == [
        "running @1 overlap",
        "cancelled @2 overlap",
        "cancelled @3 overlap",
        "scheduled @4 blocked",
    ]


def test_with_cancel_running_a_firing_takes_the_place_of_one_that_has_not_started(
    scheduler, fake_clock, watch, unclaimed
):
    add(scheduler, unclaimed, overlap="cancel_running")
    fake_clock.advance(minutes=3)
    assert watch.story("job") == ["cancelled @1 overlap", "cancelled @2 overlap", "queued @3"]


def test_cancel_running_leaves_waiting_runs_by_hand_alone(scheduler, fake_clock, watch, unclaimed):
    add(scheduler, unclaimed, overlap="cancel_running")
    scheduler.registry._tasks[unclaimed.name] = unclaimed
    by_hand = [jobs.run_job("job", ctx=scheduler.core.ctx).id for _ in range(2)]
    del scheduler.registry._tasks[unclaimed.name]
    fake_clock.advance(minutes=2)
    states = [runs.get_run(run_id, ctx=scheduler.core.ctx).state for run_id in by_hand]
    assert states == ["queued", "scheduled"]
    assert watch.story("job")[2:] == ["cancelled @1 overlap", "scheduled @2 blocked"]


def test_a_task_that_is_cancelled_by_the_next_firing_ends_and_the_next_one_runs(scheduler, fake_clock, watch):
    ends = []

    @scheduler.task
    def long() -> None:
        try:
            current_run.sleep(3600)
        finally:
            ends.append(current_run.cancelled)

    scheduler.add_job("job", long, timeout=90, overlap="cancel_running", **HOURLY)
    fake_clock.advance(minutes=1)
    assert watch.story("job")[0] == "timed_out @1 timeout"
    assert ends == [True]


def test_queue_all_lets_a_hundred_wait_and_skips_the_rest(scheduler, fake_clock, watch, unclaimed):
    add(scheduler, unclaimed, overlap="queue_all")
    fake_clock.advance(minutes=103)
    story = watch.story("job")
    assert story[0] == "queued @1"
    assert story[1:101] == [f"scheduled @{minute} blocked" for minute in range(2, 102)]
    assert story[101:] == ["skipped @102 overlap", "skipped @103 overlap"]


def test_a_run_by_hand_is_never_skipped_however_full_its_job_is(scheduler, fake_clock, unclaimed):
    add(scheduler, unclaimed, overlap="skip")
    fake_clock.advance(minutes=2)
    scheduler.registry._tasks[unclaimed.name] = unclaimed
    run = jobs.run_job("job", ctx=scheduler.core.ctx)
    del scheduler.registry._tasks[unclaimed.name]
    assert (run.state, run.reason) == ("scheduled", "blocked")


def test_a_firing_that_finds_its_key_held_by_another_job_follows_its_overlap_policy(
    scheduler, fake_clock, watch, unclaimed
):
    add(scheduler, unclaimed, overlap="queue_one", concurrency_key="printer")
    scheduler.registry._tasks[unclaimed.name] = unclaimed
    scheduler.add_job("holder", unclaimed.name, concurrency_key="printer")
    del scheduler.registry._tasks[unclaimed.name]
    fake_clock.advance(minutes=3)
    assert watch.story("job") == ["scheduled @1 blocked", "skipped @2 overlap", "skipped @3 overlap"]


def test_without_coalesce_each_late_firing_runs(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, coalesce=False, overlap="queue_all", **HOURLY)
    fake_clock.jump(minutes=5)
    assert watch.story("job") == [f"succeeded @{minute}" for minute in range(1, 6)]


def test_without_coalesce_the_newest_hundred_run_and_the_rest_is_one_range(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, coalesce=False, overlap="queue_all", max_instances=1000, **HOURLY)
    fake_clock.jump(minutes=250)
    story = watch.story("job")
    assert story == ["missed @1-150 x150 coalesced", *(f"succeeded @{minute}" for minute in range(151, 251))]


def test_without_coalesce_what_is_too_late_is_one_range_and_the_others_run(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("job", nothing, coalesce=False, overlap="queue_all", misfire_grace_time=120, **HOURLY)
    fake_clock.jump(minutes=10)
    assert watch.story("job") == ["missed @1-7 x7 misfire_grace_time", *(f"succeeded @{m}" for m in (8, 9, 10))]


def test_without_coalesce_both_reasons_have_their_range(scheduler, fake_clock, watch, nothing):
    scheduler.add_job(
        "job", nothing, coalesce=False, overlap="queue_all", misfire_grace_time=150 * 60, max_instances=500, **HOURLY
    )
    fake_clock.jump(minutes=300)
    story = watch.story("job")
    assert story[:2] == ["missed @1-149 x149 misfire_grace_time", "missed @150-200 x51 coalesced"]
    assert story[2:] == [f"succeeded @{minute}" for minute in range(201, 301)]


def test_without_coalesce_the_places_decide_as_if_each_firing_came_in_its_turn(scheduler, fake_clock, watch, unclaimed):
    add(scheduler, unclaimed, coalesce=False, max_instances=2)
    fake_clock.jump(minutes=5)
    assert watch.story("job") == [
        "queued @1",
        "queued @2",
        "scheduled @3 blocked",
        "skipped @4 overlap",
        "skipped @5 overlap",
    ]


def test_a_higher_priority_starts_first_then_who_was_ready_first(scheduler, fake_clock):
    order = []

    @scheduler.task
    def note(name: str) -> None:
        order.append(name)

    def submit(name: str, priority: int) -> None:
        scheduler.add_job(name, note, args=[name], priority=priority)

    submit("first", 0), submit("second", 0), submit("low", -100), submit("high", 100)
    fake_clock._set(START + timedelta(seconds=1))
    submit("third", 0)
    fake_clock.run_due()
    assert order == ["high", "first", "second", "third", "low"]
