"""What a test author uses: simulated time, and what can be said of jobs and runs on it.

With pytest each of these functions is a fixture too; without it there are `SchedulerTestMixin` and `simulated`.
"""

from scheduler_app.testing.asserting import (
    assert_ran,
    assert_scheduled,
    crash_next,
    drain,
    fail_next,
    inline,
    manual,
    refute_ran,
    refute_scheduled,
)
from scheduler_app.testing.case import SchedulerTestMixin
from scheduler_app.testing.clock import FakeClock
from scheduler_app.testing.emptying import emptied
from scheduler_app.testing.sleeping import BlockingSleepWarning
from scheduler_app.testing.stage import Stage, simulated
from scheduler_app.testing.timeline import ClockChange, Timeline, simulate

__all__ = [
    "BlockingSleepWarning",
    "ClockChange",
    "FakeClock",
    "SchedulerTestMixin",
    "Stage",
    "Timeline",
    "assert_ran",
    "assert_scheduled",
    "crash_next",
    "drain",
    "emptied",
    "fail_next",
    "inline",
    "manual",
    "refute_ran",
    "refute_scheduled",
    "simulate",
    "simulated",
]
