"""A loop says itself what is wrong with it."""

import threading
from datetime import timedelta

import pytest

from scheduler_app.engine.loop import Loop
from scheduler_app.signals import Bus
from scheduler_app.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def loop_of(poll, clock: FakeClock) -> Loop:
    return Loop("test", poll, clock=clock, bus=Bus())


def test_a_loop_is_ill_until_its_first_poll_has_succeeded(clock):
    loop = loop_of(lambda: 10.0, clock)
    assert loop.ailment == "no poll has succeeded yet"
    loop.once()
    assert loop.ailment is None


def test_a_loop_that_rests_as_long_as_it_said_is_well(clock):
    loop = loop_of(lambda: 100.0, clock)
    loop.once()
    clock.advance(timedelta(seconds=119))
    assert loop.ailment is None
    clock.advance(timedelta(seconds=2))
    assert loop.ailment == "it hangs: its next poll was due 21 s ago"
    loop.once()
    assert loop.ailment is None


def test_a_poll_that_does_not_return_is_a_hung_one(clock):
    said = []

    def poll() -> float:
        clock.advance(timedelta(seconds=25))
        said.append(loop.ailment)
        return 0.0

    loop = loop_of(poll, clock)
    loop.once()
    assert said == ["it hangs: its next poll was due 25 s ago"]


def test_a_poll_that_fails_is_told_until_one_succeeds(clock):
    fails = [True, True, False]

    def poll() -> float:
        if fails.pop(0):
            raise OSError
        return 0.0

    loop = loop_of(poll, clock)
    said = []
    for _ in range(3):
        loop.once()
        said.append(loop.ailment)
    assert said == ["no poll has succeeded yet", "no poll has succeeded yet", None]


def test_a_thread_that_has_ended_is_told(clock):
    def poll() -> float:
        loop.stop()
        return 0.0

    loop = loop_of(poll, clock)
    thread = threading.Thread(target=loop.run)
    thread.start()
    thread.join(5.0)
    assert loop.ailment == "its thread has ended"


def test_a_loop_runs_in_one_thread_alone(clock):
    loop = loop_of(lambda: loop.stop() or 0.0, clock)
    loop.begin().join(10.0)
    with pytest.raises(RuntimeError, match="the test loop runs already, in scheduler-test"):
        loop.run()
