"""A Celery worker that executes runs of ours: what is done in its main process, and in each process of its pool.

- Each process of the pool is an engine of one slot, so that the death of one concerns the run that it executed alone. A
  pool of threads is one engine in the main process, with a slot for each; nothing there can be killed.
- A pipe whose other end the main process holds tells the pool that the worker stops, or is gone: from then on a run has
  20 s to finish and 5 s to be cancelled, as at every stop of an engine.
- When the main process has killed one for its time limit, it settles that run as timed out; the killed one cannot.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.broker.guest import GuestEngine
from scheduler_app.broker.messaging import TASK, adopt, load
from scheduler_app.domain.outcome import Outcome, settle
from scheduler_app.domain.run import Reason, RunState
from scheduler_app.engine.context import EngineContext
from scheduler_app.engine.runner import too_long
from scheduler_app.errors import ConfigurationError, SchedulerError, StoreUnavailable
from scheduler_app.store import claims, settling
from scheduler_app.store.outbox import Message

LOG = logging.getLogger("scheduler_app.broker")
PROCESSES, SOLO, THREADS = "prefork", "solo", "thread"
KINDS = {PROCESSES: "prefork", SOLO: "solo", THREADS: "threads"}
ATTENDANT = "scheduler_app_attendant"


def _expire(tx: sa.Connection, run_id: int, attempt: int, now: datetime) -> None:
    """Settle an attempt as timed out, unless somebody has settled it."""
    found = claims.taken(tx, run_id, attempt)
    if found is not None:
        claim, began = found
        outcome = Outcome(
            claim=claim,
            state=RunState.TIMED_OUT,
            started_at=began,
            finished_at=now,
            error=too_long(claim),
            reason=Reason.TIMEOUT,
        )
        settling.settle(tx, [settle(outcome)], now)


def _task_class(attendant: "Attendant") -> Any:
    """Return the class of the task that messages name: what a user's app says of its own tasks is not for ours."""

    class Request(load("celery.worker.request").Request):  # type: ignore[misc]
        """A message in the main process."""

        def on_timeout(self, soft: bool, timeout: float) -> None:
            super().on_timeout(soft, timeout)
            if not soft:
                attendant.settle_killed(*self.args)

        def terminate(self, pool: Any, signal: Any = None) -> None:
            if attendant.has_processes:
                super().terminate(pool, signal)

    class Run(load("celery").Task):  # type: ignore[misc]
        """Executes a run."""

        acks_late = True
        ignore_result = True
        store_errors_even_if_ignored = False

        @classmethod
        def on_bound(cls, app: Any) -> None:
            cls.rate_limit = cls.time_limit = cls.soft_time_limit = None

    Run.Request = Request
    return Run


def attach(celery: Any, owner: object, ctx: EngineContext, make_engine: Callable[[int], GuestEngine]) -> None:
    """Let the workers of a Celery app execute the runs of one store. To do it again for the same owner or store is
    to go on with what is given last; for another one raises ConfigurationError."""
    before: Attendant | None = getattr(celery, ATTENDANT, None)
    if before is None:
        setattr(celery, ATTENDANT, Attendant(celery, owner, ctx, make_engine))
    elif before.owner is owner or before.ctx.database.url == ctx.database.url:
        before.owner, before.ctx, before.make_engine = owner, ctx, make_engine
    else:
        raise ConfigurationError(
            f"the Celery app {celery.main!r} carries the runs of {before.ctx.database.shown} already, it cannot carry "
            f"those of {ctx.database.shown} too: attach another Celery app, or use one Scheduler"
        )


class Attendant:
    """Connects a Celery app with a store. `make_engine` is called in each process that executes, with its slots."""

    def __init__(
        self, celery: Any, owner: object, ctx: EngineContext, make_engine: Callable[[int], GuestEngine]
    ) -> None:
        self.owner = owner
        self.ctx = ctx
        self.make_engine = make_engine
        self._celery = adopt(celery)
        self._engine: GuestEngine | None = None
        self._main: int | None = None
        self.has_processes = False
        self._kind = PROCESSES
        self._lifeline = (-1, -1)
        self._is_stopping = False
        self._celery.task(name=TASK, base=_task_class(self), shared=False)(self._run)
        self._connect(load("celery.signals"))

    def _connect(self, signals: Any) -> None:
        signals.celeryd_init.connect(self._configure, weak=False)
        signals.worker_init.connect(self._begin, weak=False)
        signals.worker_process_init.connect(self._begin_process, weak=False)
        signals.worker_process_shutdown.connect(self._end_process, weak=False)
        signals.worker_shutting_down.connect(self._stop, weak=False)

    def _configure(self, instance: Any, **_: Any) -> None:
        """In a worker that is about to read its settings: they may have been given after the app was attached."""
        if instance.app is self._celery:
            adopt(self._celery)

    def _begin(self, sender: Any, **_: Any) -> None:
        """In the main process, before it has any other."""
        if sender.app is not self._celery:
            return
        pool = load("celery.concurrency").get_implementation(sender.pool_cls).__module__.rpartition(".")[2]
        if pool not in KINDS:
            # an exception would be logged and passed over
            sys.exit(
                f"scheduler_app: runs need Celery's pool prefork, threads or solo, got {pool}: start it with -P prefork"
            )
        self._main = os.getpid()
        self._lifeline = os.pipe()
        self.has_processes = pool == PROCESSES
        self._kind = KINDS[pool]
        if pool == THREADS:
            self._start(sender.concurrency)

    def _begin_process(self, **_: Any) -> None:
        """In each process of the pool, or the main one if that executes itself."""
        if self._main is None:
            return
        self._start(1)
        if os.getpid() != self._main:
            os.close(self._lifeline[1])
            threading.Thread(target=self._hold_on, name="scheduler-lifeline", daemon=True).start()

    def _start(self, slots: int) -> None:
        self._engine = self.make_engine(slots)
        self._engine.celery_pool = self._kind
        self._engine.interruption = load("billiard.exceptions").SoftTimeLimitExceeded
        self._engine.start()

    def _hold_on(self) -> None:
        """Wait until the main process stops, or is gone."""
        os.read(self._lifeline[0], 1)
        self._leave()

    def _stop(self, **_: Any) -> None:
        """In the main process, when it was told to stop."""
        if self._main != os.getpid() or self._is_stopping:
            return
        self._is_stopping = True
        if self._engine is None:
            os.close(self._lifeline[1])
        else:
            threading.Thread(target=self._leave, name="scheduler-leave", daemon=True).start()

    def _leave(self) -> None:
        """Stop as an engine stops; what hears of nothing is left behind, since its run is given back by then."""
        engine = self._engine
        assert engine is not None
        engine.stop()
        if not engine.pool.idle:
            os._exit(0)

    def _end_process(self, **_: Any) -> None:
        """In a process of the pool that ends."""
        if self._engine is not None:
            self._engine.stop(drain=0.0, grace=0.0)

    def _run(self, run_id: int, attempt: int, store: str) -> None:
        """Execute what a message asks for, in the process that got it."""
        if self._engine is None:
            raise ConfigurationError("this is no worker of Celery's: a message can be executed by one only")
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGUSR1, self._interrupt)
        message = Message(run_id=run_id, task="", attempt=attempt, timeout=None)
        try:
            self._engine.attend(message, store)
        except SchedulerError as error:
            LOG.error("run %d is left to others: %s", run_id, error.detail)

    def _interrupt(self, _number: int, _frame: object) -> None:
        """Celery's soft time limit: interrupt the task, and nothing of ours."""
        if self._engine is not None and self._engine.is_interruptible:
            raise self._engine.interruption

    def settle_killed(self, run_id: int, attempt: int, store: str) -> None:
        """In the main process, when it has killed the process that executed an attempt, for its time limit."""
        database, clock = self.ctx.database, self.ctx.clock
        try:
            database.write(lambda tx: _expire(tx, run_id, attempt, clock.now()))
        except StoreUnavailable as error:
            LOG.error("run %d was killed for its time limit, and is settled by others: %s", run_id, error.detail)
        finally:
            database.close()
