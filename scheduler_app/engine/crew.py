"""The worker processes of an engine: started on need, kept warm, replaced when worn, ended when idle.

A worker that does not start costs no run an attempt: the claim is given back, and the next start waits a while.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from scheduler_app.clock import Clock
from scheduler_app.domain.outcome import Outcome
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.runner import never_started, not_started
from scheduler_app.engine.workers import NotBegun, Recipe, WorkerProcess
from scheduler_app.errors import WorkerUnavailable

MOST_TRIES = 3
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0


@dataclass(frozen=True, kw_only=True)
class Habits:
    """After how many runs a process is replaced, and after how many idle seconds ended; seconds of grace."""

    runs: int
    idle: float
    grace: float


class Crew:
    """Gives each run a process of its own for its time."""

    def __init__(
        self, recipe: Callable[[], Recipe], habits: Habits, *, clock: Clock, on_failure: Callable[[str], None]
    ) -> None:
        self._recipe = recipe
        self._habits = habits
        self._clock = clock
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._leaving: list[WorkerProcess] = []
        self._closed = False
        self._failures = 0
        self._retry_at = 0.0
        self.ailment: str | None = None

    @property
    def rests(self) -> bool:
        """Whether it waits before it tries to start a process again."""
        return self._failures > 0 and self._clock.monotonic() < self._retry_at

    def perform(self, execution: Execution) -> Outcome:
        """Execute a run in a worker process; whatever becomes of that process, an outcome comes back."""
        for _ in range(MOST_TRIES):
            try:
                worker = self._take(execution.cancelled)
            except WorkerUnavailable:
                break
            try:
                if execution.cancelled.is_set():
                    return never_started(execution)
                return worker.execute(execution)
            except NotBegun:
                continue
            finally:
                self._put_back(worker)
        return never_started(execution) if execution.cancelled.is_set() else not_started(execution)

    def _take(self, cancelled: threading.Event) -> WorkerProcess:
        """Return a process that waits for a run, the one that waited least; else a new one, if that is still wanted."""
        while (worker := self._warm()) is not None:
            if worker.is_alive:
                return worker
            worker.fit = False
            self._put_back(worker)
        return self._new(cancelled)

    def _warm(self) -> WorkerProcess | None:
        with self._lock:
            if not self._idle:
                return None
            worker = self._idle.pop()
            self._busy.add(worker)
            return worker

    def _new(self, cancelled: threading.Event) -> WorkerProcess:
        if self.rests:
            raise WorkerUnavailable("a worker process did not start a moment ago")
        worker = None
        try:
            worker = self._started()
            worker.await_start(cancelled)
        except Exception as error:  # noqa: BLE001 - whatever it is, the thread that follows runs goes on
            if worker is not None:
                worker.fit = False
                self._put_back(worker)
            if not isinstance(error, NotBegun):
                self._fail(error)
            raise WorkerUnavailable(str(error)) from None
        with self._lock:
            self._failures, self.ailment = 0, None
        return worker

    def _started(self) -> WorkerProcess:
        """Start a process, unless all are being ended: none may be missed by that."""
        recipe = self._recipe()
        with self._lock:
            if self._closed:
                raise WorkerUnavailable("the engine stops")
            worker = WorkerProcess(recipe, self._clock, grace=self._habits.grace)
            self._busy.add(worker)
            return worker

    def _fail(self, error: Exception) -> None:
        with self._lock:
            if self._closed:
                return
            self._failures += 1
            pause = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
            self._retry_at = self._clock.monotonic() + pause
            self.ailment = str(error)
        self._on_failure(str(error))

    def _put_back(self, worker: WorkerProcess) -> None:
        """Keep a process warm, or end it: gently when it has just done its share."""
        with self._lock:
            self._busy.discard(worker)
            worn = worker.runs >= self._habits.runs
            if worker.fit and not worn and not self._closed:
                worker.idle_since = self._clock.monotonic()
                self._idle.append(worker)
                return
            if worker.fit and not self._closed:
                self._leaving.append(worker)
                worker.ask_to_end()
                return
        worker.close()

    def trim(self) -> None:
        """End who has been idle too long, and who was asked to end and does not."""
        now = self._clock.monotonic()
        with self._lock:
            idle = [worker for worker in self._idle if self._is_to_go(worker, now)]
            for worker in idle:
                self._idle.remove(worker)
                worker.ask_to_end()
            gone = [worker for worker in self._leaving if worker.is_overdue]
            self._leaving = [worker for worker in self._leaving if worker not in gone] + idle
        for worker in gone:
            worker.close()

    def _is_to_go(self, worker: WorkerProcess, now: float) -> bool:
        return now - worker.idle_since > self._habits.idle or not worker.is_alive

    def close(self) -> None:
        """End every process at once. Who executes a run is closed by who follows that."""
        with self._lock:
            self._closed = True
            idle, self._idle, self._leaving = [*self._idle, *self._leaving], [], []
            for worker in self._busy:
                worker.kill()
        for worker in idle:
            worker.close()
