"""The bookkeeper: fills the books with what nobody kept, samples what waits, and reckons what is planned.

It is in no hurry: a step is one small read or one small write, and after each it rests nine times as long as that
took, or forty-nine times when it reckons anew what it has reckoned before. One engine does it, the oldest that lives;
that only saves work, since all of it may be done twice.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

from scheduler_app.clock import Clock
from scheduler_app.domain.load import hour_of
from scheduler_app.services.reckoning import Reckoning
from scheduler_app.store import engines, filling, plans
from scheduler_app.store.database import Database

LOOK_EVERY = 10.0
SAMPLE_EVERY = 60.0
RECKON_AT_LEAST_EVERY = 1800.0
REST_FACTOR = 9.0
REST_FACTOR_ANEW = 49.0
OVERDUE_AFTER = timedelta(seconds=5)
# while this computes, a pass that comes due waits at the interpreter, each time that it has let go of it
COMPUTES_FOR = 0.0005
JOBS_AT_ONCE = 1


class Bookkeeper:
    """`poll` does one step of what is to be done."""

    def __init__(self, database: Database, clock: Clock, *, engine_id: Callable[[], int | None]) -> None:
        self._database = database
        self._clock = clock
        self._engine_id = engine_id
        self._steps: Iterator[None] | None = None
        self._due = {"sample": 0.0, "reckon": 0.0}
        self._reckoned: object = None

    def poll(self) -> float:
        """Do one step if there is any, and return how long to wait."""
        began = self._clock.monotonic()
        if self._steps is None:
            if not self._is_mine():
                return LOOK_EVERY
            self._steps = self._round()
        steps, self._steps = self._steps, None
        if next(steps, self) is self:
            return LOOK_EVERY
        self._steps = steps
        rest = REST_FACTOR if self._reckoned is None else REST_FACTOR_ANEW
        return rest * (self._clock.monotonic() - began)

    def finish(self) -> None:
        """Do all there is to do, without rest."""
        self.poll()
        while self._steps is not None:
            self.poll()

    def _is_mine(self) -> bool:
        """Whether this is the engine that keeps the books."""
        with self._database.read() as tx:
            return engines.is_oldest(tx, self._engine_id())

    def _round(self) -> Iterator[None]:
        yield from self._fill()
        if self._is_due("sample", SAMPLE_EVERY):
            self._sample()
            yield
        yield from self._reckon()

    def _is_due(self, what: str, every: float) -> bool:
        now = self._clock.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every
        return True

    def _fill(self) -> Iterator[None]:
        with self._database.read() as tx:
            more = not filling.is_complete(tx)
        while more:
            more = self._database.write(lambda tx: filling.step(tx, self._clock.now()))
            yield

    def _sample(self) -> None:
        now = self._clock.now()
        minute = now.replace(second=0, microsecond=0)
        self._database.write(lambda tx: plans.sample(tx, minute, now - OVERDUE_AFTER))

    def _reckon(self) -> Iterator[None]:
        """Reckon anew what is planned, when jobs have changed, and now and then."""
        with self._database.read() as tx:
            version = plans.version(tx)
        if version == self._reckoned and not self._is_due("reckon", RECKON_AT_LEAST_EVERY):
            return
        self._due["reckon"] = self._clock.monotonic() + RECKON_AT_LEAST_EVERY
        reckoning = Reckoning(since=self._clock.now())
        more = True
        while more:
            more = self._reckon_some(reckoning)
            yield
        since = hour_of(reckoning.since)
        self._database.write(lambda tx: plans.replace(tx, reckoning.hours, since, reckoning.until))
        self._reckoned = version

    def _reckon_some(self, reckoning: Reckoning) -> bool:
        """Reckon for a moment; whether there may be more."""
        until = self._clock.monotonic() + COMPUTES_FOR
        with self._database.read() as tx:
            more = reckoning.step(tx, JOBS_AT_ONCE)
            while more and self._clock.monotonic() < until:
                more = reckoning.step(tx, JOBS_AT_ONCE)
        return more
