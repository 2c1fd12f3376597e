"""The engine of a Celery process: it fires nothing, and claims only what a message asks it to.

All else it does as any engine: it has a row and beats, keeps log and progress, times out, cancels, settles. When its
process is killed, the others take over its run as they take over any.
"""

import secrets
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

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
from scheduler_app.engine.pool import Pool, ThreadPool
from scheduler_app.engine.runner import Surroundings, execute, timed_out
from scheduler_app.errors import ConfigurationError, StoreUnavailable
from scheduler_app.store import facts, outbox
from scheduler_app.store.outbox import Message

LOOK_AGAIN = 1.0


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
    """A slot whose thread belongs to Celery."""

    latest: GuestExecution | None = None

    def start(self) -> None:
        """Be ready: Celery brings the threads."""

    def take_in(self, claim: Claim) -> GuestExecution:
        """Note that the calling thread executes a claim."""
        self.latest = GuestExecution(claim, self._clock)
        with self._changed:
            self._running[claim.token, claim.run_id] = self.latest
        return self.latest

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
    """An engine in a process of Celery's."""

    barred = False
    slot: GuestPool

    def __init__(self, ctx: EngineContext) -> None:
        self._passing = threading.Lock()
        self._limiter = Limiter(ctx.registry, ctx.limits)
        super().__init__(ctx)

    is_interruptible = False
    interruption: type[BaseException] = TimeoutError

    def pools(self) -> dict[Executor, Pool]:
        """Return one slot, for what Celery brings."""
        perform = partial(execute, surroundings=self.surroundings)
        self.slot = GuestPool(1, perform, clock=self.ctx.clock, on_outcome=self.wake)
        return {Executor.CELERY: self.slot}

    def may_work(self) -> bool:
        """Never: what is due fires elsewhere, and what is queued comes by message."""
        return False

    def attend(self, message: Message, store: str) -> None:
        """Execute what a message asks for, if it is still wanted, and return once its end is committed."""
        claim = self._claim(message, store)
        if claim is None:
            return
        execution = self.slot.take_in(claim)
        outcome = execute(execution, self.surroundings)
        if isinstance(execution.raised, self.interruption):
            outcome = timed_out(execution)
        self.slot.finish(execution, outcome)
        self._settle(execution)

    def _settle(self, execution: GuestExecution) -> None:
        """Settle in this thread; while the store is away, or this engine stops, wait for who settles then."""
        while not execution.settled.is_set():
            try:
                if not self.draining:
                    self._pass()
            except StoreUnavailable:
                pass
            self.ctx.clock.wait(execution.settled, LOOK_AGAIN)

    def stop(self, *, drain: float = DRAIN_SECONDS, grace: float = CANCEL_SECONDS) -> None:
        """Stop as any engine: what has ended is settled by that, what has not is given back."""
        super().stop(drain=drain, grace=grace)
        if self.slot.latest is not None:
            self.slot.latest.settled.set()

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

    def _claim(self, message: Message, store: str) -> Claim | None:
        engine, tasks = self.registered(), self.ctx.registry.names()
        now, token, limiter = self.ctx.clock.now(), secrets.randbits(62), self._limiter
        if self.draining:
            self.ctx.database.write(lambda tx: outbox.unmark(tx, [message.run_id]))
        if not super().may_work():
            return None

        def work(tx: sa.Connection) -> Claim | None:
            if facts.get(tx, STORE) != {"id": store}:
                raise ConfigurationError(
                    f"a message asks for run {message.run_id} of another store than {self.ctx.database.shown}: "
                    "the worker and the service must name one database; SQLite is for workers on the same host"
                )
            if facts.paused_since(tx) is not None:
                outbox.unmark(tx, [message.run_id])
                return None
            if limiter.limits(Executor.CELERY, tasks) and not self._may_start(tx, message, tasks, now):
                return None
            claim = outbox.claim(tx, message, tasks=tasks, engine=engine, token=token, now=now)
            return None if claim is None else limiter.count(tx, [claim], now)[0]

        return self.ctx.database.write(work)

    def _may_start(self, tx: sa.Connection, message: Message, tasks: Collection[str], now: datetime) -> bool:
        """Whether no limit holds a run back; else it is published again when that may be over."""
        run = outbox.wanted(tx, message, tasks)
        until = None if run is None else self._limiter.hold(tx, run, Executor.CELERY, now)
        if until is not None:
            outbox.defer(tx, message.run_id, until)
        return until is None
