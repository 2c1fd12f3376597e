"""The engine of a process of Celery's: it fires nothing, and claims only what a message asks it to.

All else it does as any engine: it has a row and beats, keeps log and progress, times out, cancels, settles. When its
process is killed, the others take over its run as they take over any.

While message follows message, the end of a run is settled by the transaction that claims the next: one commit for each
run in place of two. An end that nothing follows waits for no longer than `HOLD`.
"""

import secrets
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from scheduler_app.broker.publisher import STORE
from scheduler_app.clock import Clock
from scheduler_app.domain.outcome import Outcome
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Claim
from scheduler_app.engine.context import EngineContext
from scheduler_app.engine.engine import CANCEL_SECONDS, DRAIN_SECONDS, Engine
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.limiting import Limiter
from scheduler_app.engine.loop import Loop
from scheduler_app.engine.pool import Pool, ThreadPool
from scheduler_app.engine.runner import Surroundings, execute, timed_out
from scheduler_app.engine.settlement import announce, keep_news, settle
from scheduler_app.errors import ConfigurationError, StoreUnavailable
from scheduler_app.store import facts, outbox
from scheduler_app.store.outbox import Message

LOOK_AGAIN = 1.0
HOLD = 0.02
T = TypeVar("T")


class GuestExecution(Execution):
    """An attempt in a thread that is not ours; `settled` is set once its end is committed."""

    has_ended = False

    def __init__(self, claim: Claim, clock: Clock) -> None:
        super().__init__(claim, clock)
        self.settled = threading.Event()

    def written(self) -> None:
        """Note that what there was is in the store."""
        super().written()
        if self.has_ended:
            self.settled.set()


class GuestPool(ThreadPool):
    """Slots whose threads belong to Celery."""

    def start(self) -> None:
        """Be ready: Celery brings the threads."""

    def take_in(self, claim: Claim) -> GuestExecution:
        """Note that the calling thread executes a claim."""
        execution = GuestExecution(claim, self._clock)
        with self._changed:
            self._running[claim.token, claim.run_id] = execution
        return execution

    def finish(self, execution: GuestExecution, outcome: Outcome) -> None:
        """Note how it ended, unless its time was over before."""
        with self._changed:
            self._running.pop((execution.claim.token, execution.claim.run_id), None)
            execution.has_ended = True
            if execution.timed_out:
                execution.settled.set()
            else:
                self._ended.append((execution, outcome))


class GuestEngine(Engine):
    """An engine in a process of Celery's, with a slot for each of its threads."""

    barred = False
    slot: GuestPool
    is_interruptible = False
    interruption: type[BaseException] = TimeoutError

    def __init__(self, ctx: EngineContext, slots: int = 1) -> None:
        self._slots = slots
        self._passing = threading.Lock()
        self._limiter = Limiter(ctx.registry, ctx.limits)
        self._ended_at = float("-inf")
        self._settler: Loop | None = None
        self._settler_rests = True
        self._has_stopped = False
        self._store: str | None = None
        super().__init__(ctx)

    def pools(self) -> dict[Executor, Pool]:
        """Return slots for what Celery brings."""
        perform = partial(execute, surroundings=self.surroundings)
        self.slot = GuestPool(self._slots, perform, clock=self.ctx.clock, on_outcome=self.wake)
        return {Executor.CELERY: self.slot}

    def loops(self) -> list[Loop]:
        """Settle also what no message follows."""
        self._has_stopped = False
        self._settler = self._loop("settler", self.settle_late)
        return [*super().loops(), self._settler]

    def may_work(self) -> bool:
        """Never: what is due fires elsewhere, and what is queued comes by message."""
        return False

    def attend(self, message: Message, store: str) -> None:
        """Execute what a message asks for, if it is still wanted.

        Return once its end is committed, or will be together with the next claim.
        """
        clock = self.ctx.clock
        another_follows = clock.monotonic() - self._ended_at < HOLD
        execution = self._take(message, store)
        if execution is None:
            return
        outcome = execute(execution, self.surroundings)
        if isinstance(execution.raised, self.interruption):
            outcome = timed_out(execution)
        self.slot.finish(execution, outcome)
        self._ended_at = clock.monotonic()
        if not another_follows:
            self._settle(execution)
        elif self._settler is not None and self._settler_rests:
            self._settler_rests = False
            self._settler.wake()

    def _take(self, message: Message, store: str) -> GuestExecution | None:
        """Claim what a message asks for; while the store is away, wait for it."""
        while True:
            try:
                return self._try_to_take(message, store)
            except StoreUnavailable:
                if self.draining:
                    raise
            self.ctx.clock.wait(threading.Event(), LOOK_AGAIN)

    def _try_to_take(self, message: Message, store: str) -> GuestExecution | None:
        engine, token = self.registered(), secrets.randbits(62)
        if self.draining:
            self.ctx.database.write(lambda tx: outbox.unmark(tx, [message.run_id]))
        if not super().may_work():
            return None
        tasks, now = self.ctx.registry.names(), self.ctx.clock.now()

        def claim(tx: sa.Connection) -> Claim | None:
            self._refuse_another(tx, message, store)
            if facts.paused_since(tx) is not None:
                outbox.unmark(tx, [message.run_id])
                return None
            if not self._may_start(tx, message, tasks, now):
                return None
            claimed = outbox.claim(tx, message, tasks=tasks, engine=engine, token=token, now=now)
            return None if claimed is None else self._limiter.count(tx, [claimed], now)[0]

        with self._passing:
            claimed = self._commit(claim)
            return None if claimed is None else self.slot.take_in(claimed)

    def _refuse_another(self, tx: sa.Connection, message: Message, store: str) -> None:
        """Raise ConfigurationError when a message is about another store; a store keeps its name."""
        if self._store is None:
            self._store = (facts.get(tx, STORE) or {}).get("id")
        if self._store != store:
            raise ConfigurationError(
                f"a message asks for run {message.run_id} of another store than {self.ctx.database.shown}: "
                "the worker and the service must name one database; SQLite is for workers on the same host"
            )

    def _commit(self, work: Callable[[sa.Connection], T]) -> T:
        """Settle what has ended in the transaction of `work`, while no pass does."""
        ended, now = self.slot.ended(), self.ctx.clock.now()

        def write(tx: sa.Connection) -> tuple[Any, T]:
            keep_news(tx, [execution for execution, _ in ended])
            return settle(tx, ended, now), work(tx)

        try:
            settled, result = self.ctx.database.write(write)
        except BaseException:
            self.slot.put_back(ended)
            self.passes.doubt()  # what the commit said may have happened all the same
            raise
        for execution, _ in ended:
            execution.written()
        announce(self.ctx.bus, ended, settled, now)
        return result

    def _settle_now(self) -> None:
        with self._passing:
            if self.slot.has_ended:
                self._commit(lambda tx: None)

    def _settle(self, execution: GuestExecution) -> None:
        """Settle in this thread; while the store is away, wait for who settles then, or for the end of this engine."""
        while True:
            with suppress(StoreUnavailable):
                self._settle_now()
            if execution.settled.is_set() or self._has_stopped:
                return
            self.ctx.clock.wait(execution.settled, LOOK_AGAIN)

    def settle_late(self) -> float:
        """Settle what no message has followed, and return how long to wait."""
        seconds = self.ctx.clock.monotonic() - self._ended_at
        if self.slot.has_ended:
            if seconds < HOLD:
                return HOLD - seconds
            self._settle_now()
        self._settler_rests = seconds >= LOOK_AGAIN
        return LOOK_AGAIN if self._settler_rests else HOLD

    def stop(self, *, drain: float = DRAIN_SECONDS, grace: float = CANCEL_SECONDS) -> None:
        """Stop as any engine: what has ended is settled by that, what has not is given back."""
        super().stop(drain=drain, grace=grace)
        self._has_stopped = True

    def _pass(self) -> float:
        with self._passing:
            return super()._pass()

    @property
    def surroundings(self) -> Surroundings:
        """What tasks find around them; Celery's time limit may interrupt them, and nothing of ours."""
        return replace(super().surroundings, context=self._interruptible)

    @contextmanager
    def _interruptible(self) -> Iterator[Any]:
        with self.ctx.context() as context:
            self.is_interruptible = True
            try:
                yield context
            finally:
                self.is_interruptible = False

    def _may_start(self, tx: sa.Connection, message: Message, tasks: Collection[str], now: datetime) -> bool:
        """Whether no limit holds a run back; else it is published again when that may be over."""
        if not self._limiter.limits(Executor.CELERY, tasks):
            return True
        run = outbox.wanted(tx, message, tasks)
        until = None if run is None else self._limiter.hold(tx, run, Executor.CELERY, now)
        if until is not None:
            outbox.defer(tx, message.run_id, until)
        return until is None
