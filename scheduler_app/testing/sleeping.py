"""What a task waits by, beside `current_run.sleep`, on simulated time: `time.sleep`, and an event loop of its own.

A module may have bound `time.sleep` to a name of its own, so every such name is replaced and given back. Code that is
no task sleeps as ever.
"""

import asyncio
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from weakref import WeakSet

from scheduler_app.engine.execution import executing
from scheduler_app.testing.clock import FakeClock
from scheduler_app.testing.loop import SimulatedLoop

REAL_SLEEP = time.sleep  # noqa: TID251 - what is replaced
REAL_LOOP = asyncio.new_event_loop

_searched: WeakSet[ModuleType] = WeakSet()
_bound: list[tuple[dict[str, Any], str]] = []


class BlockingSleepWarning(UserWarning):
    """A task called `time.sleep`, which nothing can interrupt: use `current_run.sleep`, or `await asyncio.sleep`."""


def sleep(seconds: float) -> None:
    """Take the place of `time.sleep`: in a task of a fake clock simulated time passes, and a warning tells."""
    clock = _clock_of_task()
    if clock is None:
        REAL_SLEEP(seconds)
        return
    execution = executing()
    assert execution is not None
    warnings.warn(
        f"task {execution.claim.task} called time.sleep({seconds:g}), which a cancel, a timeout and a stop of the "
        "engine have to wait for (simulated here); use scheduler_app.current_run.sleep, in an async def task "
        "asyncio.sleep",
        BlockingSleepWarning,
        stacklevel=2,
    )
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    _pass_by(clock, seconds)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Take the place of `asyncio.new_event_loop`: what a task runs by `asyncio.run` is on simulated time too."""
    clock = _clock_of_task()
    return REAL_LOOP() if clock is None else SimulatedLoop(clock)


@contextmanager
def simulated_sleep() -> Iterator[None]:
    """Let tasks sleep on simulated time."""
    for names, name in _names_of_sleep():
        names[name] = sleep
    _give_loops(new_event_loop)
    try:
        yield
    finally:
        _give_loops(REAL_LOOP)
        for names, name in _names_of_sleep():
            names[name] = REAL_SLEEP


def _clock_of_task() -> FakeClock | None:
    execution = executing()
    return execution.clock if execution is not None and isinstance(execution.clock, FakeClock) else None


def _pass_by(clock: FakeClock, seconds: float) -> None:
    """Let time pass as for a sleep that goes on through a cancel."""
    never, end = threading.Event(), clock.monotonic() + seconds
    while (left := end - clock.monotonic()) > 0:
        clock.wait(never, left)


def _names_of_sleep() -> list[tuple[dict[str, Any], str]]:
    """Return every module's names for `time.sleep`; a module is searched once, as soon as it is there."""
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and module not in _searched and module.__name__ != __name__:
            _searched.add(module)
            names = vars(module)
            _bound.extend((names, name) for name, value in list(names.items()) if value is REAL_SLEEP)
    return _bound


def _give_loops(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    for names in (vars(asyncio), vars(asyncio.events)):
        names["new_event_loop"] = make
