"""The pruner: deletes runs that are older, or more, than is to be kept, a few at a time.

It is in no hurry: a step is one small read or one small write, and after each it rests nine times as long as that
took, so that it uses at most a tenth of one core and of the store's writer. One engine prunes, the oldest that lives;
that only saves work, since deleting twice is deleting once.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduler_app.clock import Clock
from scheduler_app.domain.load import hour_of
from scheduler_app.domain.retention import Retention
from scheduler_app.failpoints import failpoint
from scheduler_app.signals import Bus, HistoryPruned
from scheduler_app.store import engines, filling, idempotency, lags, limits, plans, pruning, rollups, trail
from scheduler_app.store.database import Database

LOOK_EVERY = 10.0
REST_FACTOR = 9.0
ANSWERS_AT_ONCE = 100
CHANGES_AT_ONCE = 500
RECOUNT_EVERY = 3600.0
BOOKS_EVERY = 43_200.0
PLANS_KEPT = timedelta(days=8)


class Pruner:
    """Sweeps over the runs, then rests. `poll` does one step of a sweep."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        *,
        retention: Retention,
        engine_id: Callable[[], int | None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._bus = bus
        self._retention = retention
        self._engine_id = engine_id
        self._every = retention.rest.total_seconds()
        self._sweep: Iterator[None] | None = None
        self._next_at = clock.monotonic() + min(self._every, LOOK_EVERY)
        self._counted = 0
        self._recount_at = 0.0
        self._books_at = 0.0
        self._runs = 0
        self._jobs = 0

    @property
    def is_due(self) -> bool:
        """Whether there is a step to do."""
        return self._sweep is not None or self._clock.monotonic() >= self._next_at

    def poll(self) -> float:
        """Do one step if a sweep is due, and return how long to wait."""
        began = self._clock.monotonic()
        if self._sweep is None and not (self.is_due and self._is_mine()):
            return min(LOOK_EVERY, max(1.0, self._next_at - began))
        sweep, self._sweep = self._sweep or self._steps(), None
        if next(sweep, self) is self:
            self._finish()
            return min(LOOK_EVERY, self._every)
        self._sweep = sweep
        return REST_FACTOR * (self._clock.monotonic() - began)

    def finish_sweep(self) -> None:
        """Sweep without rest if a sweep is due: what a test's clock does in the place of a thread."""
        self.poll()
        while self._sweep is not None:
            self.poll()

    def _is_mine(self) -> bool:
        """Whether this is the engine that prunes. What is not in the books yet stays until it is."""
        with self._database.read() as tx:
            return engines.is_oldest(tx, self._engine_id()) and filling.is_complete(tx)

    def _finish(self) -> None:
        now = self._clock.monotonic()
        self._next_at = now + self._every
        if self._runs:
            self._bus.publish(HistoryPruned(at=self._clock.now(), runs=self._runs, jobs=self._jobs))
        self._runs = self._jobs = 0

    def _steps(self) -> Iterator[None]:
        now = self._clock.now()
        yield from self._answers(now)
        yield from self._changes(now)
        yield from self._starts(now)
        if self._clock.monotonic() >= self._books_at:
            self._books_at = self._clock.monotonic() + BOOKS_EVERY
            self._books(now)
            yield
        yield from self._by_age(now)
        yield from self._by_number()

    def _answers(self, now: datetime) -> Iterator[None]:
        """Forget the answers that were kept for an `Idempotency-Key`."""
        while self._has_expired(now):
            self._database.write(lambda tx: idempotency.prune(tx, now, ANSWERS_AT_ONCE))
            yield

    def _books(self, now: datetime) -> None:
        """Forget the counts and the plans of long ago."""
        minutes = now - self._retention.minutes

        def work(tx: sa.Connection) -> None:
            rollups.prune(tx, "minute", hour_of(minutes))
            rollups.prune(tx, "hour", hour_of(now - self._retention.hours))
            lags.prune(tx, minutes)
            plans.prune(tx, now - PLANS_KEPT)

        self._database.write(work)

    def _has_expired(self, now: datetime) -> bool:
        with self._database.read() as tx:
            return idempotency.has_expired(tx, now)

    def _changes(self, now: datetime) -> Iterator[None]:
        """Forget who changed what long ago."""
        if self._retention.changes is None:
            return
        oldest = now - self._retention.changes
        while self._has_older(oldest):
            self._database.write(lambda tx: trail.prune(tx, oldest, CHANGES_AT_ONCE))
            yield

    def _has_older(self, than: datetime) -> bool:
        with self._database.read() as tx:
            return trail.has_older(tx, than)

    def _starts(self, now: datetime) -> Iterator[None]:
        """Forget the starts of tasks that have no rate limit any more; those of others do not last."""
        with self._database.read() as tx:
            is_any = limits.has_old(tx, now)
        if is_any:
            self._database.write(lambda tx: limits.forget_old(tx, now))
            yield

    def _by_age(self, now: datetime) -> Iterator[None]:
        """Walk from the oldest run on, until a whole page is too young for any limit."""
        youngest, cutoffs = self._retention.youngest(now), self._retention.cutoffs(now)
        after = 0
        while youngest is not None:
            with self._database.read() as tx:
                page = pruning.walk(tx, after, cutoffs, youngest)
            if page is None:
                return
            yield
            yield from self._delete(page.expired)
            after = page.last
            if page.young:
                return

    def _by_number(self) -> Iterator[None]:
        """Look at the jobs of the runs that came since the last sweep; now and then at all, for what was open then."""
        most = self._retention.runs_per_job
        if most is None:
            return
        if self._clock.monotonic() >= self._recount_at:
            self._counted, self._recount_at = 0, self._clock.monotonic() + RECOUNT_EVERY
        while (found := self._crowded(most)) is not None:
            last, crowded = found
            yield
            for job_id, newest_surplus in crowded:
                yield from self._thin_out(job_id, newest_surplus)
            self._counted = last

    def _crowded(self, most: int) -> tuple[int, list[tuple[str, int]]] | None:
        with self._database.read() as tx:
            return pruning.crowded(tx, self._counted, most)

    def _thin_out(self, job_id: str, upto: int) -> Iterator[None]:
        after = 0
        while after < upto:
            with self._database.read() as tx:
                ids = pruning.surplus(tx, job_id, after, upto)
            if not ids:
                return
            yield from self._delete(ids)
            after = ids[-1]

    def _delete(self, ids: Sequence[int]) -> Iterator[None]:
        if not ids:
            return
        with self._database.read() as tx:
            batches = pruning.batches(tx, ids)
        for batch in batches:
            pruned = self._write(batch)
            self._runs += pruned.runs
            self._jobs += pruned.jobs
            yield

    def _write(self, batch: Sequence[int]) -> pruning.Pruned:
        def work(tx: sa.Connection) -> pruning.Pruned:
            pruned = pruning.prune(tx, batch)
            failpoint("prune.before_commit")
            return pruned

        pruned = self._database.write(work)
        failpoint("prune.after_commit")
        return pruned
