"""`async def` tasks on simulated time: what they wait for comes as soon as nothing else is to be done."""

import asyncio
import contextvars
import math
import selectors
import threading
from collections.abc import Coroutine, Mapping
from typing import Any

from scheduler_app.engine.coroutines import Ending, begin, finish
from scheduler_app.engine.execution import Execution
from scheduler_app.testing.clock import FakeClock

MICROSECONDS = 1_000_000


class SimulatedSelector(selectors.BaseSelector):
    """Waits for files as the selector that it wraps, and lets only simulated time pass."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, else move the clock by `timeout`; without one something real is waited for."""
        if timeout is None or timeout <= 0:
            return self._real.select(timeout)
        ready = self._real.select(0)
        if not ready:
            self._clock.wait(threading.Event(), math.ceil(timeout * MICROSECONDS) / MICROSECONDS)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch a file no more."""
        return self._real.unregister(fileobj)

    def close(self) -> None:
        """Release what it holds."""
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return what is watched."""
        return self._real.get_map()


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop by the fake clock."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(SimulatedSelector(clock))
        self._clock = clock

    def time(self) -> float:
        """Return the seconds that have been simulated."""
        return self._clock.monotonic()


class SimulatedCoroutines:
    """Runs each coroutine on a loop of its own, where the clock is driven."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def complete(self, coroutine: Coroutine[Any, Any, Any], execution: Execution) -> Ending:
        """Run a coroutine to its end and return what it returned or raised."""
        endings: list[Ending] = []
        run = contextvars.copy_context().run
        # a thread has one running loop at most, and an async test is on its own
        thread = threading.Thread(target=run, args=(self._run, coroutine, execution, endings), name="simulated-loop")
        thread.start()
        thread.join()
        return endings[0]

    def _run(self, coroutine: Coroutine[Any, Any, Any], execution: Execution, endings: list[Ending]) -> None:
        loop = SimulatedLoop(self._clock)

        def end(ending: Ending) -> None:
            endings.append(ending)
            loop.stop()

        loop.call_soon(begin, loop, coroutine, execution, contextvars.copy_context(), end)
        while not endings:
            loop.run_forever()
        finish(loop)
