"""An engine without threads: its polls are driven by the fake clock, its runs execute where they are driven."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from scheduler_app.domain.choosing import Room
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Claim, Reason, RunState
from scheduler_app.engine import capture
from scheduler_app.engine.engine import Engine
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.heartbeat import BEAT_EVERY
from scheduler_app.engine.pool import Ended
from scheduler_app.engine.runner import Surroundings, execute, timed_out
from scheduler_app.testing.clock import FakeClock
from scheduler_app.testing.loop import SimulatedCoroutines

BEAT_AT_LEAST_EVERY = 86_400.0


class InlinePool:
    """Executes claims one after the other, in the thread that drives the clock."""

    def __init__(self, slots: int, surroundings: Surroundings, clock: FakeClock) -> None:
        self._slots = slots
        self._surroundings = surroundings
        self._clock = clock
        self._executing: list[Execution] = []
        self._ended: list[Ended] = []

    def start(self) -> None:
        """Be ready; nothing to do."""

    def stop(self) -> None:
        """Take no more work; nothing to do."""

    def room(self) -> Room:
        """Return the slots; all are free, since what is handed over ends at once."""
        idle = not self._executing
        return Room(slots=self._slots, free=self._slots, waiting=0, idle=idle, alone=False, durations={})

    def hand_over(self, claims: Iterable[Claim]) -> None:
        """Execute these claims now."""
        for claim in claims:
            self._execute(Execution(claim, self._clock))

    def _execute(self, execution: Execution) -> None:
        self._executing.append(execution)
        if execution.claim.timeout is not None:
            at = self._clock.monotonic() + execution.claim.timeout
            self._clock.set_alarm(at, lambda: self._time_out(execution))
        capture.install()
        try:
            outcome = execute(execution, self._surroundings)
        finally:
            capture.uninstall()
            self._clock.clear_alarm()
            self._executing.remove(execution)
        self._ended.append((execution, outcome))

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
        return all(outcome.state is RunState.SUCCEEDED for _, outcome in self._ended)

    def put_back(self, ended: Sequence[Ended]) -> None:
        """Return what could not be settled yet."""
        self._ended[:0] = ended

    def stale(self, *, older_than: float) -> list[Claim]:
        """Return nothing: no claim waits for a slot."""
        return []

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

    def __init__(self, engine: Engine, clock: FakeClock) -> None:
        self._engine = engine
        self._clock = clock
        self._beaten_at = clock.monotonic()
        self._beat_every = BEAT_EVERY
        self._is_new = True
        surroundings = replace(engine.surroundings, complete=SimulatedCoroutines(clock).complete)
        self._pool = InlinePool(engine.ctx.slots, surroundings, clock)
        engine.assemble(dict.fromkeys(Executor, self._pool))

    def run_due(self, horizon: datetime) -> None:
        """Poll until nothing is left that is due at `horizon`; inside a task this is left to the outer poll."""
        if self._engine.pool.held():
            return
        self._engine.passes.horizon = horizon
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
        untouched = passes.commits == self._engine.ctx.database.commits
        return passes.rests_after and untouched and self._pool.all_succeeded

    def _poll(self) -> None:
        self._beat()
        self._engine.prepare()
        self._engine.passes.poll()
        self.tidy()

    def _beat(self) -> None:
        """Beat and rescue when time begins to move, and then once a day: who could look is driven by this clock."""
        self._engine.heartbeat.reset()
        if self._clock.monotonic() - self._beaten_at >= self._beat_every:
            self._beaten_at = self._clock.monotonic()
            self._beat_every = BEAT_AT_LEAST_EVERY
            self._engine.heartbeat.poll()
            self._engine.rescuer.poll()
            self._follow()

    def _follow(self) -> None:
        """Let stored jobs follow the defaults of the tasks."""
        while self._engine.is_free and self._engine.follower.poll() == 0.0:
            pass

    def tidy(self) -> None:
        """Prune, when it is time."""
        if self._engine.is_free and not self._engine.pool.held():
            self._engine.pruner.finish_sweep()

    def next_event(self) -> datetime | None:
        """Return when a job fires next, or a waiting run may start."""
        return self._engine.passes.next_at
