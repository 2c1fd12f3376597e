"""`async def` tasks, on the engine's event loop and on simulated time."""

import asyncio
import threading
from datetime import datetime, timedelta

import pytest
from flask import Flask, current_app

from scheduler_app import Scheduler, current_run
from scheduler_app.testing.clock import START


@pytest.fixture
def live(tmp_path):
    """A Scheduler whose engine runs on threads."""
    scheduler = Scheduler(Flask("live", instance_path=str(tmp_path)))
    scheduler.start()
    yield scheduler
    scheduler.shutdown()
    scheduler.core.close()


@pytest.fixture(params=["simulated", "real"])
def either(request):
    """A Scheduler on simulated time, or one with an engine; with it what brings a run to its end."""
    if request.param == "real":
        return request.getfixturevalue("live"), lambda run: run.wait(timeout=20)
    scheduler, clock = request.getfixturevalue("scheduler"), request.getfixturevalue("fake_clock")

    def finish(run):
        clock.run_due()
        return run.run

    return scheduler, finish


def test_a_coroutine_is_awaited_with_the_app_and_the_run_at_hand(either):
    scheduler, finish = either

    @scheduler.task
    async def greet(name: str) -> list[object]:
        await asyncio.sleep(0)
        print("greeting")
        current_run.progress(1, 2)
        return [f"hello {name}", current_run.task, current_app.name]

    run = finish(greet.delay("you"))
    assert (run.state, run.result) == ("succeeded", ["hello you", "greet", scheduler.app.name])
    assert run.progress.current == 1


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_what_a_coroutine_raises_is_the_error_of_its_run_and_the_next_one_runs(either, error):
    scheduler, finish = either

    @scheduler.task
    async def fail() -> None:
        await asyncio.sleep(0)
        raise error("broken")

    @scheduler.task
    async def work() -> str:
        return "done"

    failed = finish(fail.delay())
    assert (failed.state, failed.error.type.rpartition(".")[2], failed.error.message) == (
        "failed",
        error.__name__,
        "broken",
    )
    assert failed.error.traceback.splitlines()[1].endswith("in fail")
    assert finish(work.delay()).result == "done"


def test_a_wait_in_a_coroutine_takes_simulated_time_only(scheduler, fake_clock):
    seen = []

    @scheduler.task
    async def nap() -> None:
        for _ in range(3):
            await asyncio.sleep(3600)
            seen.append(datetime.now(tz=START.tzinfo))

    run = nap.delay()
    fake_clock.run_due()
    assert run.state == "succeeded"
    assert seen == [START + timedelta(hours=hours) for hours in (1, 2, 3)]


def test_a_coroutine_may_wait_for_several_things_at_once(scheduler, fake_clock):
    @scheduler.task
    async def gather() -> list[str]:
        async def after(seconds: float, name: str) -> str:
            await asyncio.sleep(seconds)
            return name

        first, _ = await asyncio.wait(
            [asyncio.create_task(after(60, "slow")), asyncio.create_task(after(0.3, "quick"))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        return [task.result() for task in first] + [await asyncio.to_thread(lambda: "thread")]

    run = gather.delay()
    fake_clock.run_due()
    assert run.result == ["quick", "thread"]
    assert fake_clock.now() < START + timedelta(seconds=1)


def test_a_coroutine_past_its_timeout_is_cancelled_on_simulated_time(scheduler, fake_clock):
    cleaned = []

    @scheduler.task(timeout=10)
    async def wait_long() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cleaned.append(fake_clock.now())

    run = wait_long.delay()
    fake_clock.run_due()
    assert run.state == "timed_out"
    assert cleaned == [START + timedelta(seconds=10)]


def test_a_task_runs_inside_an_async_test(scheduler, fake_clock):
    @scheduler.task
    async def nap() -> str:
        await asyncio.sleep(60)
        return "rested"

    async def test() -> str:
        run = nap.delay()
        fake_clock.run_due()
        return run.result

    assert asyncio.run(test()) == "rested"


def test_a_waiting_coroutine_is_cancelled_at_once_when_its_run_is(live):
    begun, cleaned = threading.Event(), threading.Event()

    @live.task
    async def wait_for_ever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    run = wait_for_ever.delay()
    assert begun.wait(20)
    run.cancel()
    assert run.wait(timeout=5).state == "cancelled"
    assert cleaned.is_set()


def test_coroutines_share_one_loop_and_a_stop_ends_them(live):
    loops, begun = set(), threading.Semaphore(0)

    @live.task
    async def wait_for_ever() -> None:
        loops.add(asyncio.get_running_loop())
        begun.release()
        await asyncio.Event().wait()

    runs = [wait_for_ever.delay() for _ in range(3)]
    assert all(begun.acquire(timeout=20) for _ in runs)
    live.core.engine.stop(drain=0.0, grace=5.0)
    assert [run.state for run in runs] == ["queued"] * 3, "given back uncharged"
    assert len(loops) == 1
    assert loops.pop().is_closed()
