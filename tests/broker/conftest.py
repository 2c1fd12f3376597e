"""A store with tasks of executor `celery`, without a broker; and a real broker for those that need one."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from scheduler_app.clock import SystemClock
from tests import valkey
from tests.broker import celery_functions


@pytest.fixture(scope="module")
def broker() -> Iterator[valkey.Valkey]:
    """A Valkey for the tests of a module."""
    with valkey.running() as server:
        yield server


class SteppedClock(SystemClock):
    """A clock that is set forward by hand, and moves no engine."""

    def __init__(self, begin: datetime) -> None:
        super().__init__()
        self._begin = begin
        self._passed = 0.0

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    def step(self, seconds: float) -> None:
        """Set it forward."""
        self._passed += seconds


@pytest.fixture
def clock(fake_clock) -> SteppedClock:
    """What the publisher and a worker go by, beside the test's own engine, which stands still."""
    return SteppedClock(fake_clock.now())


@pytest.fixture
def add(scheduler):
    """A task of executor `celery`."""
    celery_functions.CALLS.clear()
    return scheduler.task(executor="celery")(celery_functions.add)
