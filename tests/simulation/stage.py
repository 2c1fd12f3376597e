"""The real thing on simulated time: engines that die and come back, and runs that end at a simulated moment."""

import json
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduler_app.clock import from_micros
from scheduler_app.domain.outcome import Outcome
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import RunState
from scheduler_app.engine.context import EngineContext
from scheduler_app.engine.engine import Engine
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.pool import Ended
from scheduler_app.store.tables import engines, runs
from scheduler_app.testing.bench import InlinePool
from scheduler_app.testing.clock import START, FakeClock

GONE = {"pid": 2**22 - 1, "process_start": "1", "parent_pid": 2**22 - 2, "parent_start": "1"}


class TimedPool(InlinePool):
    """A slot for every claim; each ends after the simulated seconds that its argument `takes` says."""

    def __init__(self, engine: Engine, clock: FakeClock) -> None:
        super().__init__(1000, engine.surroundings, clock)
        self._ends: dict[Execution, datetime] = {}

    def _execute(self, execution: Execution) -> None:
        execution.start()
        self._executing.append(execution)
        takes = timedelta(seconds=json.loads(execution.claim.kwargs)["takes"])
        self._ends[execution] = self._clock.now() + takes

    def next_end(self) -> datetime | None:
        return min(self._ends.values(), default=None)

    @property
    def has_ended(self) -> bool:
        end = self.next_end()
        return super().has_ended or (end is not None and end <= self._clock.now())

    def ended(self) -> list[Ended]:
        now = self._clock.now()
        for execution in self.held():
            if self._ends[execution] <= now:
                self._end(execution, RunState.SUCCEEDED)
        return super().ended()

    def _end(self, execution: Execution, state: RunState) -> None:
        self._executing.remove(execution)
        del self._ends[execution]
        now = self._clock.now()
        outcome = Outcome(
            claim=execution.claim,
            state=state,
            started_at=execution.started_at or now,
            finished_at=now,
            reason=execution.cancel_reason,
        )
        self._ended.append((execution, outcome))

    def cancel(self, run_id: int, reason: str) -> None:
        super().cancel(run_id, reason)
        for execution in self.held():
            if execution.claim.run_id == run_id:
                self._end(execution, RunState.CANCELLED)


class Stage:
    """Drives at most one engine at a time over the store of a Scheduler, as the clock moves."""

    def __init__(self, core, clock: FakeClock) -> None:
        self.core = core
        self.clock = clock
        self.engine: Engine | None = None
        self.rise()

    def moving(self) -> AbstractContextManager[None]:
        """Nothing to do."""
        return nullcontext()

    def rise(self) -> None:
        """Start an engine, as a new process would, and let it find what is left of the one before."""
        core = self.core
        self.engine = Engine(
            EngineContext(
                database=core.database,
                registry=core.registry,
                clock=self.clock,
                bus=core.ctx.bus,
                slots=1000,
                context=nullcontext,
            )
        )
        self.pool = TimedPool(self.engine, self.clock)
        self.engine.assemble({Executor.THREAD: self.pool})
        self.engine.registered()
        self.engine.rescuer.poll()

    def fall(self, reason: str) -> None:
        """End the engine: as a stop does, or as a kill does."""
        engine, self.engine = self.engine, None
        assert engine is not None
        row = engines.c.id == engine.id
        if reason == "shutdown":
            self.core.database.write(engine._settle_rest)
        else:
            self.core.database.write(lambda tx: tx.execute(engines.update().where(row).values(**GONE)))
        engine._forget()

    def run_due(self, horizon: datetime) -> None:
        """Poll until three polls in a row find nothing to do."""
        quiet = 0
        while self.engine is not None and quiet < 3:
            self.engine.heartbeat.reset()
            self.engine.passes.poll()
            quiet = quiet + 1 if self.engine.passes.idle and not self.pool.has_ended else 0

    def next_event(self) -> datetime | None:
        if self.engine is None:
            return None
        moments = (self.engine.passes.next_at, self.pool.next_end())
        return min((moment for moment in moments if moment is not None), default=None)

    def rest(self) -> None: ...

    def tidy(self) -> None: ...

    def history(self, job_id: str) -> list[tuple[object, ...]]:
        """Return what the store says of a job's firings and runs by hand, in seconds since the start."""
        query = sa.select(runs).where(runs.c.job_id == job_id)
        with self.core.database.read() as tx:
            return sorted((_told(row) for row in tx.execute(query)), key=str)


def seconds(micros: int) -> float:
    return (from_micros(micros) - START) / timedelta(seconds=1)


def _told(row: sa.Row) -> tuple[object, ...]:
    if row.missed_since is not None:
        return ("missed", row.reason, seconds(row.missed_since), seconds(row.missed_until), row.missed_count)
    ended = seconds(row.finished_at) if row.state == "succeeded" else None
    return (row.state, row.reason, seconds(row.scheduled_at), row.origin == "schedule", ended)
