"""An engine without threads: its polls are driven by the fake clock, its runs execute where they are driven."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime

from scheduler_app.domain.choosing import Room
from scheduler_app.domain.outcome import Outcome
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Claim, Reason, RunState
from scheduler_app.engine import capture
from scheduler_app.engine.engine import Engine
from scheduler_app.engine.execution import Execution, executing
from scheduler_app.engine.heartbeat import BEAT_EVERY
from scheduler_app.engine.pool import Ended
from scheduler_app.engine.runner import Surroundings, execute, timed_out
from scheduler_app.errors import StoreTooNew, StoreUnavailable
from scheduler_app.store import engines
from scheduler_app.store.backend import T, Work
from scheduler_app.store.engines import EngineState
from scheduler_app.store.outlook import look_ahead
from scheduler_app.testing.clock import FakeClock
from scheduler_app.testing.faults import Faults, FaultyRegistry, Point
from scheduler_app.testing.loop import SimulatedCoroutines

BEAT_AT_LEAST_EVERY = 30 * 86_400.0
MOST_NESTED = 10


class InlinePool:
    """Executes claims one after the other, in the thread that drives the clock."""

    def __init__(self, slots: int, surroundings: Surroundings, clock: FakeClock, faults: Faults | None = None) -> None:
        self._slots = slots
        self._faults = faults or Faults()
        self._surroundings = replace(surroundings, registry=FaultyRegistry(surroundings.registry, self._faults))
        self._clock = clock
        self._executing: list[Execution] = []
        self._ended: list[Ended] = []
        self._left: list[Claim] = []
        self.has_crashed = False
        self.listeners: list[Callable[[Execution], None]] = []

    def start(self) -> None:
        """Be ready; nothing to do."""

    def stop(self) -> None:
        """Take no more work; nothing to do."""

    def room(self) -> Room:
        """Return the slots; all are free, since what is handed over ends at once, unless the process is dead."""
        idle, free = not self._executing, 0 if self.has_crashed else self._slots
        return Room(slots=self._slots, free=free, waiting=0, idle=idle, alone=False, durations={})

    def hand_over(self, claims: Iterable[Claim]) -> None:
        """Execute these claims now; those after one with which the process died are left."""
        for claim in claims:
            if self.has_crashed:
                self._left.append(claim)
            else:
                self._execute(Execution(claim, self._clock))

    def _execute(self, execution: Execution) -> None:
        crash = self._faults.next_crash(execution.claim.task)
        if crash is Point.START:
            self.has_crashed = True
            return
        outcome = self._perform(execution)
        if crash is Point.END:
            self.has_crashed = True
            self._ended = [ended for ended in self._ended if ended[0] is not execution]
            return
        self._ended.append((execution, outcome))
        for tell in self.listeners:
            tell(execution)

    def _perform(self, execution: Execution) -> Outcome:
        self._executing.append(execution)
        alarm = None
        if execution.claim.timeout is not None:
            at = self._clock.monotonic() + execution.claim.timeout
            alarm = self._clock.set_alarm(at, lambda: self._time_out(execution))
        capture.install()
        try:
            return execute(execution, self._surroundings)
        finally:
            capture.uninstall()
            if alarm is not None:
                self._clock.clear_alarm(alarm)
            self._executing.remove(execution)

    def _time_out(self, execution: Execution) -> None:
        execution.timed_out = True
        self._ended.append((execution, timed_out(execution)))
        execution.cancel(Reason.TIMEOUT)

    @property
    def has_ended(self) -> bool:
        """Whether `ended` would return anything."""
        return bool(self._ended)

    def ended(self) -> list[Ended]:
        """Return what has ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    @property
    def all_succeeded(self) -> bool:
        """Whether everything that has ended did so well."""
        return not [outcome for _, outcome in self._ended if outcome.state is not RunState.SUCCEEDED]

    def put_back(self, ended: Sequence[Ended]) -> None:
        """Return what could not be settled yet."""
        self._ended[:0] = ended

    def stale(self, *, older_than: float) -> list[Claim]:
        """Return the claims that a dead process has not come to."""
        left, self._left = self._left, []
        return left

    @property
    def lowest_waiting(self) -> int | None:
        """Return None: no claim waits for a slot."""
        return None

    def outranked(self, priority: int) -> list[Claim]:
        """Return nothing: no claim waits for a slot."""
        return []

    def held(self) -> list[Execution]:
        """Return what executes."""
        return list(self._executing)

    def cancel(self, run_id: int, reason: str) -> None:
        """Ask a run to stop."""
        for execution in self._executing:
            if execution.claim.run_id == run_id:
                execution.cancel(reason)

    def expire(self) -> None:
        """Nothing to do: the clock's alarm times out."""

    @property
    def stuck(self) -> int:
        """Return 0: there are no threads."""
        return 0

    @property
    def ailment(self) -> str | None:
        """Return None: there is nothing that could end."""
        return None


class Bench:
    """Drives one engine: fire, claim, execute, settle, beat and rescue, in the order of simulated time.

    What succeeded, and nothing waits for, is settled with the next firing in one transaction, at the latest by `rest`:
    that makes a simulated year half as long.
    """

    def __init__(self, engine: Engine, clock: FakeClock, faults: Faults | None = None) -> None:
        self._engine = engine
        self._clock = clock
        self._beaten_at = clock.monotonic()
        self._beat_every = BEAT_EVERY
        self._is_new = True
        self._driving = threading.RLock()
        surroundings = replace(engine.surroundings, complete=SimulatedCoroutines(clock).complete)
        self._pool = InlinePool(engine.ctx.slots, surroundings, clock, faults)
        self._is_moving = False
        self.has_store_alone = False
        engine.assemble(dict.fromkeys(Executor, self._pool))
        engine.passes.write = self._write
        engine.retire()

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Do once what each run would need, while time moves."""
        capture.install()
        self._is_moving = self.has_store_alone
        try:
            yield
        finally:
            self._is_moving = False
            capture.uninstall()
            self._engine.ctx.database.cut()

    def _write(self, work: Work[T]) -> T:
        """Write as an engine does; while time moves over a store that nobody else knows, one commit serves many."""
        database = self._engine.ctx.database
        return database.string(work) if self._is_moving else database.write(work)

    def run_due(self, horizon: datetime) -> None:
        """Poll until nothing is left that is due at `horizon`; inside a task this is left to the outer poll."""
        if self._pool.held():
            return
        with self._driving:
            self._engine.passes.horizon = horizon
            self._poll_until_idle()

    def run_within(self) -> None:
        """Run what is queued now, also inside the task that queued it, up to ten tasks deep."""
        if executing() is None:
            self.run_due(self._clock.now())
            self.rest()
        elif len(self._engine.pool.held()) < MOST_NESTED:
            self._poll_until_idle()
            self.rest()

    @contextmanager
    def telling(self, tell: Callable[[Execution], None]) -> Iterator[None]:
        """Tell of each attempt that was executed meanwhile."""
        self._pool.listeners.append(tell)
        try:
            yield
        finally:
            self._pool.listeners.remove(tell)

    def _poll_until_idle(self) -> None:
        if self._is_new:
            self._is_new = False
            self._engine.registered()
            self._follow()
        self._poll()
        while not (self._engine.passes.idle or self._may_settle_later()):
            self._poll()

    def rest(self) -> None:
        """Settle what was left for later; beat soon when time moves on again."""
        if self._pool.has_ended:
            self._engine.passes.poll()
        self._beat_every = BEAT_EVERY

    def _may_settle_later(self) -> bool:
        """Whether all that there is to do is to write that runs succeeded, and nothing can follow from that."""
        passes = self._engine.passes
        if not (passes.rests_after and self._pool.all_succeeded):
            return False
        return passes.commits == self._engine.ctx.database.commits

    def _poll(self) -> None:
        has_beaten = self._beat()
        self._engine.prepare()
        self._engine.passes.step()
        if self._pool.has_crashed:
            self._begin_anew()
        if has_beaten:
            self.tidy()

    def _begin_anew(self) -> None:
        """Be another process after one that died: what had ended is on record, the rescuer takes over what had not."""
        self._engine.passes.poll()
        self._pool.has_crashed = False
        self._engine._forget()
        self._engine.prepare()
        self._engine.rescuer.poll()

    def _beat(self) -> bool:
        """Beat and rescue when time begins to move, and then once a month: who could look is driven by this clock."""
        self._engine.heartbeat.reset()
        now = self._clock.monotonic()
        if now - self._beaten_at < self._beat_every:
            return False
        self._beaten_at = now
        self._beat_every = BEAT_AT_LEAST_EVERY
        self._engine.heartbeat.poll()
        self._engine.rescuer.poll()
        self._follow()
        return True

    def _follow(self) -> None:
        """Let stored jobs follow the defaults of the tasks."""
        while self._engine.is_free and self._engine.follower.poll() == 0.0:
            pass

    def tidy(self) -> None:
        """Prune, when it is time."""
        if self._engine.pruner.is_due and self._engine.is_free and not self._engine.pool.held():
            self._engine.pruner.finish_sweep()

    def next_event(self) -> datetime | None:
        """Return when a job fires next, or a waiting run may start."""
        return self._engine.passes.next_at

    def next_due(self) -> datetime | None:
        """Return when something is due, reading the store; now when a run is queued."""
        self._engine.prepare()
        ctx, now = self._engine.ctx, self._clock.now()
        with ctx.database.read() as tx:
            ahead = look_ahead(tx)
            if ahead.paused_since is not None:
                return None
            if ahead.busy and self._engine.passes.may_claim(tx):
                return now
        moments = (ahead.next_at, self._engine.passes.next_start)
        return min((max(now, at) for at in moments if at is not None), default=None)

    def close(self) -> None:
        """Say in the store that the engine has stopped, if the store is still there and of this version."""
        engine = self._engine.id
        if engine is not None:
            with suppress(StoreUnavailable, StoreTooNew):
                self._engine.ctx.database.write(lambda tx: engines.set_state(tx, engine, EngineState.STOPPED))
            self._engine._forget()
