"""A clock that stands still until a test moves it. Moving it runs what would have run, in order, without a thread."""

import asyncio
import importlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from scheduler_app.clock import LOOK_EVERY
from scheduler_app.domain.spec import UTC_ZONE
from scheduler_app.domain.zone import find_zone
from scheduler_app.engine.execution import executing
from scheduler_app.testing.changes import next_gap, next_overlap
from scheduler_app.testing.matching import aware

START = datetime(2026, 1, 1, tzinfo=UTC)
Alarm = tuple[float, Callable[[], None]]
NEEDS_EXTRA = "the fake clock needs time-machine: pip install 'scheduler_app[testing]'"


class Driven(Protocol):
    """An engine that the clock drives."""

    def run_due(self, horizon: datetime) -> None:
        """Run everything that is due at `horizon`, the present or earlier, and what that makes ready."""

    def next_event(self) -> datetime | None:
        """Return when something is due next, as it was at the end of `run_due`."""

    def next_due(self) -> datetime | None:
        """Return when something is due next, as it is now."""

    def moving(self) -> AbstractContextManager[None]:
        """Be told that time moves meanwhile."""

    def rest(self) -> None:
        """Leave nothing half done: time stands still now."""

    def tidy(self) -> None:
        """Do what is never urgent."""


class FakeClock:
    """Simulated time: `advance`, `travel_to`, `run_due`, `next_due`. It begins at 2026-01-01T00:00:00Z.

    `datetime.now()` and `time.time()` show the same time everywhere in the process until `stop`; `time.monotonic()` and
    `time.perf_counter()` stay the machine's, by which locks, sockets and event loops go.

        def test_the_report_goes_out_at_nine(fake_clock, assert_ran):
            fake_clock.travel_to("2026-11-20T09:00:00+01:00")
            assert_ran(send_report, times=1)
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._monotonic = 0.0
        self._driven: list[Driven] = []
        self._alarms: list[Alarm] = []
        self._traveller: Any = None
        self._travel: Any = None

    def start(self) -> None:
        """Make the whole process see the simulated time."""
        try:
            machine = importlib.import_module("time_machine")
        except ModuleNotFoundError:
            raise ModuleNotFoundError(NEEDS_EXTRA) from None
        self._travel = machine.travel(self._now, tick=False)
        self._traveller = self._travel.start()

    def stop(self) -> None:
        """Give the process its own time back."""
        if self._travel is not None:
            self._travel.stop()
            self._travel = self._traveller = None

    def drive(self, driven: Driven) -> None:
        """Drive an engine from now on."""
        self._driven.append(driven)

    def now(self) -> datetime:
        """Return the simulated time, aware UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds that have been simulated."""
        return self._monotonic

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Let the simulated time of a waiting task pass; an alarm in between rings at its time.

        Outside a task, where somebody waits for a run, what is due meanwhile runs.
        """
        if event.is_set():
            return True
        if executing() is None:
            self.advance(seconds=seconds)
            return event.is_set()
        alarm = min(self._alarms, key=lambda alarm: alarm[0], default=None)
        if alarm is not None and alarm[0] <= self._monotonic + seconds:
            self._alarms.remove(alarm)
            self._shift(max(0.0, alarm[0] - self._monotonic))
            alarm[1]()
            return event.is_set()
        self._shift(seconds)
        return event.is_set()

    def linger(self, most: float) -> None:
        """Let simulated time pass until something is due, `most` seconds at most; in a task nothing else runs."""
        due = self.next_due() if executing() is None else None
        until = most if due is None else max(LOOK_EVERY, (due - self._now) / timedelta(seconds=1))
        self.wait(threading.Event(), min(most, until))

    def adjust(self, ahead: timedelta, *, within: timedelta) -> None:
        """Stay as it is: simulated time is nobody else's."""

    def set_alarm(self, at: float, ring: Callable[[], None]) -> Alarm:
        """Call `ring`, once, when a wait reaches this monotonic time."""
        alarm = at, ring
        self._alarms.append(alarm)
        return alarm

    def clear_alarm(self, alarm: Alarm) -> None:
        """Forget an alarm that may have rung."""
        if alarm in self._alarms:
            self._alarms.remove(alarm)

    def advance(self, delta: timedelta | None = None, **parts: float) -> datetime:
        """Move on by a timedelta, or by its parts (`days=3`, `minutes=5`), running every firing at its time."""
        return self.travel_to(self._now + _step(delta, parts))

    async def advance_async(self, delta: timedelta | None = None, **parts: float) -> datetime:
        """Do what `advance` does, in a thread: the event loop of the test goes on meanwhile."""
        return await _in_thread(partial(self.advance, delta, **parts))

    async def travel_to_async(self, moment: datetime | str) -> datetime:
        """Do what `travel_to` does, in a thread: the event loop of the test goes on meanwhile."""
        return await _in_thread(partial(self.travel_to, moment))

    def travel_to(self, moment: datetime | str) -> datetime:
        """Move on to a moment, aware or ISO 8601 with an offset, running every firing on the way at its own time."""
        target = aware(moment)
        if target < self._now:
            raise ValueError(f"time runs forward: it is {self._now.isoformat()}, asked for {target.isoformat()}")
        with ExitStack() as moving:
            for driven in self._driven:
                moving.enter_context(driven.moving())
            self._run_due(self._now)
            while (event := self._next_event()) is not None and event <= target:
                self._set(max(event, self._now))
                self._run_due(min(self._now, target))
            self._rest()
        self._set(max(target, self._now))
        for driven in self._driven:
            driven.tidy()
        return self._now

    def jump(self, delta: timedelta | None = None, **parts: float) -> datetime:
        """Move on as if nothing had been there to run meanwhile: what is due is late. Then run it."""
        self._set(self._now + _step(delta, parts))
        self.run_due()
        return self._now

    def run_due(self) -> None:
        """Run everything that is due now, and what that makes ready."""
        self._run_due(self._now)
        self._rest()

    def next_due(self) -> datetime | None:
        """Return when something is due next, aware UTC, without running it; now if something is queued, None if never.

        `fake_clock.travel_to(fake_clock.next_due())` runs it.
        """
        moments = (driven.next_due() for driven in self._driven)
        return min((moment for moment in moments if moment is not None), default=None)

    def before_spring_gap(self, zone: str, **before: float) -> datetime:
        """Travel to just before the clocks of a zone are next put forward; return the time there.

        That is a minute before, or as long as `before` says: `before_spring_gap("Europe/Berlin", hours=3)`.
        """
        return self._travel_before(next_gap, zone, before)

    def before_autumn_overlap(self, zone: str, **before: float) -> datetime:
        """Travel to just before an hour of a zone comes a second time, when its clocks are put back next.

        That is a minute before the clocks change, or as long as `before` says; the time there is returned.
        """
        return self._travel_before(next_overlap, zone, before)

    def _travel_before(
        self, change: Callable[[str, datetime], datetime], zone: str, before: dict[str, float]
    ) -> datetime:
        by = timedelta(**before or {"minutes": 1})
        now = self.travel_to(change(zone, self._now + by) - by)
        return now.astimezone(find_zone(zone) or UTC_ZONE)

    def _run_due(self, horizon: datetime) -> None:
        for driven in self._driven:
            driven.run_due(horizon)

    def _rest(self) -> None:
        for driven in self._driven:
            driven.rest()

    def _next_event(self) -> datetime | None:
        events = [event for driven in self._driven if (event := driven.next_event()) is not None]
        return min(events, default=None)

    def _shift(self, seconds: float) -> None:
        self._set(self._now + timedelta(seconds=seconds))

    def _set(self, moment: datetime) -> None:
        step = moment - self._now
        self._monotonic += step.total_seconds()
        self._now = moment
        if self._traveller is not None:
            self._traveller.shift(step)  # `move_to` sets the zone of the process anew each time


def _step(delta: timedelta | None, parts: dict[str, float]) -> timedelta:
    if delta is not None and not isinstance(delta, timedelta):
        raise TypeError(f"time moves by a timedelta, or by parts like advance(minutes=5); got {delta!r}")
    return (delta or timedelta()) + timedelta(**parts)


async def _in_thread(work: Callable[[], datetime]) -> datetime:
    """Call `work` in a thread of the event loop that runs: asyncio's, or another one that anyio knows."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        threads = importlib.import_module("anyio.to_thread")
        moved: datetime = await threads.run_sync(work)
        return moved
    return await asyncio.to_thread(work)
