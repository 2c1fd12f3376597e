"""The slots of an engine: threads that execute claims, and what the pass needs to know of them."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from scheduler_app.clock import Clock
from scheduler_app.domain.choosing import Room, insists_on_solitude
from scheduler_app.domain.outcome import Outcome
from scheduler_app.domain.run import Claim, Reason
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.runner import never_started, timed_out

STALE_AFTER = 1.0
DEAF_AFTER = 3.0
MOST_STUCK = 4
SMOOTHING = 0.2


Ended = tuple[Execution, Outcome]


class Pool(Protocol):
    """Where claims are executed. Only the pass calls it, so it needs no order among its callers."""

    def start(self) -> None:
        """Be ready to execute."""

    def stop(self) -> None:
        """Take no more work; what executes goes on."""

    def room(self) -> Room:
        """Return what can be taken now."""

    def hand_over(self, claims: Iterable[Claim]) -> None:
        """Execute these claims."""

    @property
    def has_ended(self) -> bool:
        """Whether `ended` would return anything."""

    def ended(self) -> list[Ended]:
        """Return what has ended since the last call."""

    def put_back(self, ended: Sequence[Ended]) -> None:
        """Return what could not be settled yet."""

    def stale(self, *, older_than: float) -> list[Claim]:
        """Take back claims that have waited longer than that for a slot."""

    @property
    def lowest_waiting(self) -> int | None:
        """The lowest priority that waits for a slot; None when nothing waits."""

    def outranked(self, priority: int) -> list[Claim]:
        """Take back claims of a lower priority that wait for a slot."""

    def held(self) -> list[Execution]:
        """Return what executes or waits for a slot."""

    def cancel(self, run_id: int, reason: str) -> None:
        """Ask a run to stop; one that has not started ends at once."""

    def expire(self) -> None:
        """Time out what is past its deadline."""

    @property
    def stuck(self) -> int:
        """How many slots are taken by runs that are over."""

    @property
    def ailment(self) -> str | None:
        """What is wrong with it; None when it does what it should."""


class ThreadPool:
    """Executes claims on threads. A slot is taken until its thread is free again, timed out or not."""

    def __init__(
        self, slots: int, perform: Callable[[Execution], Outcome], *, clock: Clock, on_outcome: Callable[[], None]
    ) -> None:
        self._slots = slots
        self._perform = perform
        self._clock = clock
        self._on_outcome = on_outcome
        self._changed = threading.Condition()
        self._waiting: deque[Execution] = deque()
        self._running: dict[tuple[int, int], Execution] = {}
        self._ended: deque[Ended] = deque()
        self._durations: dict[str, float] = {}
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def start(self) -> None:
        """Start the threads."""
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"scheduler-slot-{number}", daemon=True)
            for number in range(self._slots)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let idle threads end; a busy one ends after its task."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _work(self) -> None:
        while (execution := self._next()) is not None:
            outcome = self._perform(execution)
            self._end(execution, outcome)
            del execution, outcome

    def _next(self) -> Execution | None:
        with self._changed:
            while not self._waiting:
                if self._stopped:
                    return None
                self._changed.wait()
            execution = self._waiting.popleft()
            self._running[execution.claim.token, execution.claim.run_id] = execution
            return execution

    def _end(self, execution: Execution, outcome: Outcome) -> None:
        with self._changed:
            self._running.pop((execution.claim.token, execution.claim.run_id), None)
            self._ended.append((execution, outcome))
            self._learn(outcome)
        self._on_outcome()

    def _learn(self, outcome: Outcome) -> None:
        seconds = (outcome.finished_at - outcome.started_at).total_seconds()
        known = self._durations.get(outcome.claim.task, seconds)
        self._durations[outcome.claim.task] = known + SMOOTHING * (seconds - known)

    def room(self) -> Room:
        """Return what can be taken now."""
        with self._changed:
            return Room(
                slots=self._slots,
                free=self._slots - len(self._running) - len(self._waiting),
                waiting=len(self._waiting),
                idle=not self._running and not self._waiting,
                alone=self._alone(),
                durations=dict(self._durations),
            )

    def _alone(self) -> bool:
        return any(self._wants_solitude(execution) for execution in (*self._running.values(), *self._waiting))

    def _wants_solitude(self, execution: Execution) -> bool:
        """Whether it keeps the engine for itself."""
        claim = execution.claim
        seconds = (self._clock.now() - claim.ready_at).total_seconds()
        return claim.alone and insists_on_solitude(claim.suspicions, seconds)

    def hand_over(self, claims: Iterable[Claim]) -> None:
        """Queue these claims for the threads."""
        executions = [Execution(claim, self._clock) for claim in claims]
        with self._changed:
            self._waiting.extend(executions)
            self._changed.notify(len(executions))

    @property
    def has_ended(self) -> bool:
        """Whether `ended` would return anything."""
        return bool(self._ended)

    def ended(self) -> list[Ended]:
        """Return what has ended since the last call."""
        with self._changed:
            ended, self._ended = list(self._ended), deque()
        return ended

    def put_back(self, ended: Sequence[Ended]) -> None:
        """Return what could not be settled yet."""
        with self._changed:
            self._ended.extendleft(reversed(ended))

    def stale(self, *, older_than: float) -> list[Claim]:
        """Take back claims that have waited longer than that for a slot."""
        limit = self._clock.monotonic() - older_than
        return self._take_back(lambda execution: execution.claimed_at <= limit)

    def _take_back(self, is_wanted: Callable[[Execution], bool]) -> list[Claim]:
        with self._changed:
            taken = [execution for execution in self._waiting if is_wanted(execution)]
            self._waiting = deque(execution for execution in self._waiting if not is_wanted(execution))
        return [execution.claim for execution in taken]

    @property
    def lowest_waiting(self) -> int | None:
        """The lowest priority that waits for a slot; None when nothing waits."""
        with self._changed:
            return min((execution.claim.priority for execution in self._waiting), default=None)

    def outranked(self, priority: int) -> list[Claim]:
        """Take back claims of a lower priority that wait for a slot."""
        return self._take_back(lambda execution: execution.claim.priority < priority)

    def held(self) -> list[Execution]:
        """Return what executes or waits for a slot."""
        with self._changed:
            return [*self._running.values(), *self._waiting]

    def cancel(self, run_id: int, reason: str) -> None:
        """Ask a run to stop; one that has not started ends at once."""
        with self._changed:
            for execution in (*self._running.values(), *self._waiting):
                if execution.claim.run_id == run_id:
                    execution.cancel(reason)
            cancelled = [execution for execution in self._waiting if execution.cancelled.is_set()]
            for execution in cancelled:
                self._waiting.remove(execution)
                self._ended.append((execution, never_started(execution)))

    def expire(self) -> None:
        """Time out what is past its deadline; its thread is asked to stop and keeps the slot until it does."""
        now = self._clock.monotonic()
        with self._changed:
            for execution in self._running.values():
                if execution.is_past(now):
                    execution.timed_out = True
                    self._ended.append((execution, timed_out(execution)))
                    execution.cancel(Reason.TIMEOUT)

    @property
    def stuck(self) -> int:
        """How many threads are deaf: their attempt timed out some seconds ago and they have not stopped."""
        limit = self._clock.monotonic() - DEAF_AFTER
        with self._changed:
            return sum(execution.is_deaf(limit) for execution in self._running.values())

    @property
    def ailment(self) -> str | None:
        """What is wrong with it: threads that have ended, or too many that are stuck."""
        lost, stuck = sum(not thread.is_alive() for thread in self._threads), self.stuck
        if lost:
            return f"{lost} threads have ended"
        if stuck >= MOST_STUCK:
            return f"{stuck} threads are stuck in runs that timed out and do not stop; only a restart frees them"
        return None
