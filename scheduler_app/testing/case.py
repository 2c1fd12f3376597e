"""Simulated time for `unittest.TestCase`, without pytest."""

import unittest
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from flask import Flask

from scheduler_app.extension.scheduler import Scheduler
from scheduler_app.testing import asserting, timeline
from scheduler_app.testing.clock import FakeClock
from scheduler_app.testing.stage import Mode, Stage, own_app, simulated

if TYPE_CHECKING:
    TestCase = unittest.TestCase
else:
    TestCase = object


class SchedulerTestMixin(TestCase):
    """Gives each test of a TestCase simulated time: `self.fake_clock`, `self.assert_ran` and the others.

        class ReportTest(SchedulerTestMixin, unittest.TestCase):
            def create_app(self):
                return create_app()

            def test_it_goes_out_every_day(self):
                self.fake_clock.advance(days=2)
                self.assert_ran(send_report, times=2)

    A `setUp` of your own calls `super().setUp()` first. `scheduler_mode = "inline"` runs at once what a call queues.
    """

    scheduler_mode: Mode = "manual"
    scheduler_stage: Stage

    def create_app(self) -> Flask:
        """Return the app to test. Override it; the one that is made here has nothing but a Scheduler."""
        return own_app(Path(self.enterContext(TemporaryDirectory(prefix="scheduler-"))))

    def create_database(self) -> str | None:
        """Return the URL of the store. Override it to use a database of yours; None stands for a temporary file."""
        return None

    def setUp(self) -> None:
        """Begin simulated time; it ends with the test."""
        super().setUp()
        self.app = self.create_app()
        stage = simulated(self.app, database=self.create_database(), mode=self.scheduler_mode)
        self.scheduler_stage = self.enterContext(stage)

    def __getattr__(self, name: str) -> Any:
        """Say what is missing when `setUp` was overridden and does not call ours."""
        if name == "scheduler_stage":
            raise RuntimeError("simulated time has not begun: call super().setUp() first in your setUp")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def fake_clock(self) -> FakeClock:
        """The simulated time."""
        return self.scheduler_stage.clock

    @property
    def scheduler(self) -> Scheduler:
        """The Scheduler of the app."""
        return self.scheduler_stage.scheduler

    assert_scheduled: Callable[..., None] = staticmethod(asserting.assert_scheduled)
    refute_scheduled: Callable[..., None] = staticmethod(asserting.refute_scheduled)
    assert_ran: Callable[..., Any] = staticmethod(asserting.assert_ran)
    refute_ran: Callable[..., None] = staticmethod(asserting.refute_ran)
    drain: Callable[..., Any] = staticmethod(asserting.drain)
    fail_next: Callable[..., None] = staticmethod(asserting.fail_next)
    crash_next: Callable[..., None] = staticmethod(asserting.crash_next)
    inline: Callable[..., Any] = staticmethod(asserting.inline)
    simulate: Callable[..., timeline.Timeline] = staticmethod(timeline.simulate)
