"""A loop that never dies: guard, sleep, wake-up and stop are written here, once."""

import threading
from collections.abc import Callable

from scheduler_app.clock import Clock
from scheduler_app.signals import Bus, LoopFailed

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
HUNG_AFTER = 20.0


class Loop:
    """Calls `poll`, which returns how many seconds to wait, until it is stopped. What `poll` raises is announced."""

    def __init__(self, name: str, poll: Callable[[], float], *, clock: Clock, bus: Bus) -> None:
        self.name = name
        self._poll = poll
        self._clock = clock
        self._bus = bus
        self._failures = 0
        self._has_passed = False
        self._due_at = clock.monotonic()
        self._thread: threading.Thread | None = None
        self._awake = threading.Event()
        self._stopping = False

    def begin(self) -> threading.Thread:
        """Run in a thread of its own, and return that."""
        thread = threading.Thread(target=self.run, name=f"scheduler-{self.name}", daemon=True)
        thread.start()
        return thread

    def run(self) -> None:
        """Poll until stopped. Raises RuntimeError in a second thread: `poll` is made for one."""
        if self._thread is not None:
            raise RuntimeError(f"the {self.name} loop runs already, in {self._thread.name}")
        self._thread = threading.current_thread()
        while not self._stopping:
            self._clock.wait(self._awake, self.once())
            self._awake.clear()

    def once(self) -> float:
        """Poll once, whatever happens, and return how long to wait."""
        wait = self._guarded()
        self._due_at = self._clock.monotonic() + wait
        return wait

    def _guarded(self) -> float:
        try:
            wait = self._poll()
        except Exception as error:  # noqa: BLE001 - the loop guard
            self._failures += 1
            pause: float = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
            self._bus.publish(LoopFailed(at=self._clock.now(), loop=self.name, error=error, retry_in=pause))
            return pause
        self._failures, self._has_passed = 0, True
        return wait

    def wake(self) -> None:
        """Poll now, or right after the poll under way."""
        if not self._awake.is_set():  # to set it costs a lock, which each run that ends would take
            self._awake.set()

    def stop(self) -> None:
        """End after the poll under way."""
        self._stopping = True
        self._awake.set()

    @property
    def ailment(self) -> str | None:
        """What is wrong with it; None when it does what it should."""
        if self._thread is not None and not self._thread.is_alive():
            return "its thread has ended"
        late = self._clock.monotonic() - self._due_at
        if late > HUNG_AFTER:
            return f"it hangs: its next poll was due {late:.0f} s ago"
        if not self._has_passed:
            return "no poll has succeeded yet"
        return "the last poll failed" if self._failures else None
