"""The rescuer: finds dead engines and takes their runs over.

An engine of this host is dead as soon as its process is gone. Another one is dead when this rescuer has seen the same
beat for 30 s of its own monotonic time, counting only time in which the database answered: so neither a clock step
nor an outage of the database makes live runs look dead. No dates are compared.

The locks of an SQLite file hold within one host. An engine that finds an earlier one of another host in the file waits
until it knows whether that one beats, and changes nothing but its own row for as long as it does. A row that a crash of
this machine left behind shows another boot too, but its beat stands still.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import Clock
from scheduler_app.engine.heartbeat import BEAT_EVERY
from scheduler_app.failpoints import failpoint
from scheduler_app.signals import Bus, EngineMoved, EngineRescued
from scheduler_app.store import engines, rescues
from scheduler_app.store.database import Database
from scheduler_app.store.engines import EngineRow
from scheduler_app.store.identity import Identity, is_gone

LOOK_EVERY = 1.0
DEAD_AFTER = 30.0
LONGEST_STEP = 2 * LOOK_EVERY
BEATS_WITHIN = BEAT_EVERY + 3 * LOOK_EVERY
TWO_HOSTS = "an SQLite file serves one host, use PostgreSQL for several"


@dataclass(kw_only=True)
class Seen:
    """For how many seconds an engine has shown one beat, and whether it was ever seen to move."""

    beat: int
    seconds: float = 0.0
    moved: bool = False


class Rescuer:
    """Looks at the other engines. `is_ours` tells the ids of engines that live in this process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        *,
        identity: Identity,
        is_ours: Callable[[int], bool],
        on_work: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._bus = bus
        self._identity = identity
        self._is_ours = is_ours
        self._on_work = on_work
        self._engine = 0
        self._seen: dict[int, Seen] = {}
        self._looked_at: float | None = None
        self.hindrance: str | None = None
        self.drained_at: datetime | None = None

    def meet(self, engine: int, others: list[EngineRow]) -> None:
        """Begin as `engine` among others: what keeps it from working here is known before it does anything."""
        self._engine = engine
        self._judge(others)

    def poll(self) -> float:
        """Look once, rescue what is dead, and return how long to wait."""
        with self._database.read() as tx:
            rows = engines.live(tx)
        others = [row for row in rows if not self._is_ours(row.id)]
        self._watch(others)
        self._judge(others)
        self._heed(rows)
        for row in others if self.hindrance is None else ():
            if self._is_dead(row):
                self._rescue(row)
        return LOOK_EVERY

    def _watch(self, others: list[EngineRow]) -> None:
        """Add the time since the last look, in which the database answered twice, to every beat that stands still."""
        now = self._clock.monotonic()
        step = 0.0 if self._looked_at is None else min(now - self._looked_at, LONGEST_STEP)
        self._looked_at = now
        before, self._seen = self._seen, {}
        for row in others:
            seen = before.get(row.id)
            still = seen is not None and seen.beat == row.beat
            self._seen[row.id] = Seen(
                beat=row.beat,
                seconds=seen.seconds + step if seen and still else 0.0,
                moved=seen is not None and (seen.moved or not still),
            )

    def _judge(self, others: list[EngineRow]) -> None:
        before, self.hindrance = self.hindrance, self._hindrance(others)
        if self.hindrance not in (None, before):
            move = f"does nothing: {self.hindrance}"
            self._bus.publish(EngineMoved(at=self._clock.now(), engine=self._engine, move=move))
        if before is not None and self.hindrance is None:
            self._on_work()

    @property
    def is_drained(self) -> bool:
        """Whether somebody wants this engine to take no new runs."""
        return self.drained_at is not None

    def _heed(self, rows: list[EngineRow]) -> None:
        """Do as somebody has asked of this engine: take no new runs, or take them again."""
        before = self.drained_at
        self.drained_at = next((row.drained_at for row in rows if row.id == self._engine), before)
        if (before is not None) != self.is_drained:
            move = (
                "takes runs again" if self.drained_at is None else "drained: it takes no new runs until it is resumed"
            )
            self._bus.publish(EngineMoved(at=self._clock.now(), engine=self._engine, move=move))
            self._on_work()

    def _hindrance(self, others: list[EngineRow]) -> str | None:
        """Return why this engine must do nothing on this file, None when it may."""
        if self._database.path is None:
            return None
        for row in others:
            if row.id < self._engine and not self._identity.shares_host(row.host):
                seen = self._seen.get(row.id, Seen(beat=row.beat))
                if seen.moved and seen.seconds < DEAD_AFTER:
                    return f"{TWO_HOSTS}; engine {row.id} on host {row.node} works on this one: stop one of the two"
                if seen.seconds < BEATS_WITHIN:
                    return f"waiting to see whether engine {row.id} on host {row.node} still works on this file"
        return None

    def _is_dead(self, row: EngineRow) -> bool:
        if row.host == self._identity.host:
            own = row.pid == self._identity.pid and row.process_start == self._identity.process_start
            if own or is_gone(row.pid, row.process_start):
                return True
        return self._seen[row.id].seconds >= DEAD_AFTER

    def _is_blamed(self, row: EngineRow) -> bool:
        """Whether a run may have killed its engine: hardly when the process above it, if there was any, died too."""
        if row.host != self._identity.host or row.parent_pid == 0:
            return True
        return not is_gone(row.parent_pid, row.parent_start)

    def _rescue(self, row: EngineRow) -> None:
        now = self._clock.now()
        blamed = self._is_blamed(row)

        def work(tx: sa.Connection) -> rescues.Rescue | None:
            rescue = rescues.rescue(tx, row.id, beat=row.beat, blamed=blamed, now=now)
            failpoint("rescue.before_commit")
            return rescue

        rescue = self._database.write(work)
        failpoint("rescue.after_commit")
        if rescue is not None:
            event = EngineRescued(at=now, engine=row.id, requeued=rescue.requeued, ended=rescue.ended)
            self._bus.publish(event)
            self._on_work()
