"""The beat: an engine raises a number in its row every 10 s; who cannot for 25 s stops its runs and claims nothing."""

from collections.abc import Callable, Collection

import sqlalchemy as sa

from scheduler_app.clock import Clock
from scheduler_app.engine.tempo import Meter
from scheduler_app.failpoints import failpoint
from scheduler_app.store import engines
from scheduler_app.store.database import Database
from scheduler_app.store.engines import Beat, Executors

BEAT_EVERY = 10.0
RETRY_EVERY = 1.0
LOST_AFTER = 25.0
COMPARE_EVERY = 60.0


class Heartbeat:
    """Beats for one engine. `on_silence` is called when the store could not be reached for 25 s, `on_death` when
    others have declared the engine dead."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        engine_id: Callable[[], int | None],
        tasks: Callable[[], Collection[str]],
        executors: Callable[[], Executors],
        meter: Meter,
        on_silence: Callable[[], None],
        on_death: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._engine_id = engine_id
        self._tasks = tasks
        self._executors = executors
        self._meter = meter
        self._on_silence = on_silence
        self._on_death = on_death
        self._beaten_at = clock.monotonic()
        self._compare_at = self._beaten_at

    @property
    def is_current(self) -> bool:
        """Whether the others may take this engine for alive."""
        return self._clock.monotonic() - self._beaten_at < LOST_AFTER

    def reset(self) -> None:
        """Begin anew, with a row that was just written."""
        self._beaten_at = self._clock.monotonic()

    def poll(self) -> float:
        """Raise the beat and return how long to wait."""
        engine = self._engine_id()
        if engine is None:
            return RETRY_EVERY
        try:
            alive = self._beat(engine)
        finally:
            if not self.is_current:
                self._on_silence()
        if not alive:
            self._on_death()
            return RETRY_EVERY
        self.reset()
        self._compare_clocks()
        return BEAT_EVERY

    def _compare_clocks(self) -> None:
        """Go by the clock of the database, as all engines on it do; it only shifts when things are due."""
        now = self._clock.monotonic()
        if now < self._compare_at:
            return
        self._compare_at = now + COMPARE_EVERY
        found = self._database.ahead(self._clock)
        if found is not None:
            ahead, within = found
            self._clock.adjust(ahead, within=within)

    def _told(self) -> Beat:
        tempo = self._meter.tempo(self._clock.monotonic())
        return Beat(
            tasks=self._tasks(),
            executors=self._executors(),
            passed_at=self._meter.passed_at,
            commit_seconds=self._database.commit_seconds,
            lag=tempo.lag,
            claims=tempo.claims,
        )

    def _beat(self, engine: int) -> bool:
        now, told = self._clock.now(), self._told()

        def work(tx: sa.Connection) -> bool:
            alive = engines.raise_beat(tx, engine, told, now)
            failpoint("beat.before_commit")
            return alive

        alive = self._database.write(work)
        failpoint("beat.after_commit")
        return alive
