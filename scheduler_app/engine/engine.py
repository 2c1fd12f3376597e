"""An engine: its loops, its slots, its row in the store; started and stopped as often as wanted.

Stop holds no lock while it waits: claiming ends, what executes has 20 s to finish, then it is asked to stop and has
5 s for that; what is still unfinished is given back without being charged.
"""

import os
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

import sqlalchemy as sa

from scheduler_app.collector import keep_what_is_loaded
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Reason
from scheduler_app.domain.zone_rules import rules_version
from scheduler_app.engine import capture
from scheduler_app.engine.agenda import PassContext
from scheduler_app.engine.aps import DurableScheduler
from scheduler_app.engine.bookkeeper import Bookkeeper
from scheduler_app.engine.context import EngineContext
from scheduler_app.engine.coroutines import Coroutines
from scheduler_app.engine.crew import Crew
from scheduler_app.engine.follower import Follower
from scheduler_app.engine.heartbeat import Heartbeat
from scheduler_app.engine.loop import Loop
from scheduler_app.engine.passes import Pass
from scheduler_app.engine.pool import Pool, ThreadPool
from scheduler_app.engine.pools import Pools, ProcessPool
from scheduler_app.engine.pruner import Pruner
from scheduler_app.engine.rescuer import Rescuer
from scheduler_app.engine.runner import Surroundings, execute
from scheduler_app.engine.tempo import Meter
from scheduler_app.engine.watcher import Watcher
from scheduler_app.errors import StoreUnavailable
from scheduler_app.services.rezoning import adopt_rules
from scheduler_app.signals import EngineMoved, JobChanged, WorkerFailed
from scheduler_app.store import claims, engines, rescues
from scheduler_app.store.engines import EngineState
from scheduler_app.store.identity import Identity

DRAIN_SECONDS = 20.0
CANCEL_SECONDS = 5.0
CLOSE_SECONDS = 1.0
LOOK_WHILE_WAITING = 0.02
LOOK_WHILE_HINDERED = 0.2
HEARTBEAT = "heartbeat"
NAMES = {Executor.THREAD: "slots", Executor.PROCESS: "processes", Executor.CELERY: "celery"}


class Engine:
    """Fires, claims, executes, settles, beats and rescues, on threads that survive every error of the database."""

    live: ClassVar[set[tuple[int, str, int]]] = set()
    # none starts in a worker process, whatever the app does that it builds
    barred: ClassVar[bool] = False
    celery_pool: str | None = None

    def __init__(self, ctx: EngineContext) -> None:
        self.ctx = ctx
        self.id: int | None = None
        self.scheduler = DurableScheduler(self._pass_loop)
        self._moving = threading.Lock()
        self._enlisting = threading.Lock()
        self._enlisted = 0
        self._follows_rules = False
        self._draining = False
        self._retired = False
        self._expected = False
        self._ended = threading.Event()
        self._ended.set()
        self._loops: list[Loop] = []
        self._threads: list[threading.Thread] = []
        self._watcher: Watcher | None = None
        self._outlet: Loop | None = None
        self._coroutines = Coroutines()
        self.follower = Follower(ctx.database, ctx.registry, ctx.clock)
        self.assemble(self.pools())

    def pools(self) -> dict[Executor, Pool]:
        """Return a pool for each executor that this engine has."""
        ctx, surroundings = self.ctx, self.surroundings
        threads = ThreadPool(
            ctx.slots, partial(execute, surroundings=surroundings), clock=ctx.clock, on_outcome=self.wake
        )
        if ctx.processes is None:
            return {Executor.THREAD: threads}
        crew = Crew(ctx.processes.recipe, ctx.processes.habits, clock=ctx.clock, on_failure=self._tell_of_worker)
        processes = ProcessPool(ctx.processes.slots, crew, clock=ctx.clock, on_outcome=self.wake)
        return {Executor.THREAD: threads, Executor.PROCESS: processes}

    def _tell_of_worker(self, why: str) -> None:
        self.ctx.bus.publish(WorkerFailed(at=self.ctx.clock.now(), why=why))

    @property
    def surroundings(self) -> Surroundings:
        """What tasks find around them."""
        return Surroundings(registry=self.ctx.registry, context=self.ctx.context, complete=self._coroutines.complete)

    def assemble(self, pools: Mapping[Executor, Pool]) -> None:
        """Put the parts together, with a pool for each executor; one may stand for several."""
        ctx = self.ctx
        self.pool, self.meter = Pools(pools), Meter()
        self._stuck = 0
        self.identity = Identity.of_this_process()
        self.heartbeat = Heartbeat(
            ctx.database,
            ctx.clock,
            engine_id=lambda: self.id,
            tasks=ctx.registry.names,
            executors=self.pool.report,
            meter=self.meter,
            on_silence=lambda: self._cancel_all(Reason.NO_BEAT),
            on_death=self._renew,
        )
        self.rescuer = Rescuer(
            ctx.database, ctx.clock, ctx.bus, identity=self.identity, is_ours=self._is_ours, on_work=self.wake
        )
        self.pruner = Pruner(ctx.database, ctx.clock, ctx.bus, retention=ctx.retention, engine_id=lambda: self.id)
        self.bookkeeper = Bookkeeper(ctx.database, ctx.clock, engine_id=lambda: self.id)
        self.passes = Pass(
            PassContext(
                database=ctx.database,
                registry=ctx.registry,
                clock=ctx.clock,
                bus=ctx.bus,
                pool=self.pool,
                engine_id=self.registered,
                may_work=self.may_work,
                takes_runs=lambda: not self.rescuer.is_drained,
                limits=ctx.limits,
                meter=self.meter,
            )
        )

    @property
    def running(self) -> bool:
        """Whether every thread of a started engine lives."""
        return self.scheduler.running and all(thread.is_alive() for thread in self._threads)

    @property
    def is_free(self) -> bool:
        """Whether it may do more than beat: no other host works on the file, and the zone rules are those of here."""
        return self._follows_rules and self.rescuer.hindrance is None

    def may_work(self) -> bool:
        """Whether it may fire and claim now."""
        return not self._draining and self.heartbeat.is_current and self.is_free

    @property
    def draining(self) -> bool:
        """Whether it is stopping."""
        return self._draining

    def checks(self) -> dict[str, object]:
        """Tell how the engine is: True for each part that is well, else a sentence; nothing when none is started."""
        if self._draining:
            return {"engine": "draining, or stopped: it takes no more work"}
        if not self._loops:
            return {"engine": "not started yet"} if self._expected else {}
        return {
            "engine": self._engine_check(),
            **{NAMES[Executor(executor)]: ailment or True for executor, ailment in self.pool.ailments.items()},
            **{loop.name: loop.ailment or True for loop in self._loops},
        }

    def _engine_check(self) -> object:
        if not self.running:
            return "a thread of it has ended"
        if self.id is None:
            return "it could not register in the store yet"
        if not self.heartbeat.is_current:
            return "it could not beat for 25 s and takes no work"
        return self.rescuer.hindrance or True

    def expect(self) -> None:
        """Be not ready until the start, which follows."""
        self._expected = True

    def start(self) -> None:
        """Start the threads after a stop under way, and return; they open the store. Starting twice changes nothing."""
        if self.barred:
            return
        if not self._loops:
            self.ctx.clock.wait(self._ended, DRAIN_SECONDS + CANCEL_SECONDS + CLOSE_SECONDS)
        with self._moving:
            if self._loops or self._retired:
                return
            self._draining = False
            self._ended.clear()
            self.assemble(self.pools())
            capture.install()
            self.pool.start()
            self._watcher = Watcher(self.ctx.database, on_change=self.wake)
            beside = self.loops()
            publish = self.ctx.publisher()
            if publish is not None:
                beside.append(self._publishing(publish))
            self._loops = [*beside]
            keep_what_is_loaded()
            self.scheduler.start()  # which runs the pass
            self._threads = [loop.begin() for loop in beside]

    def loops(self) -> list[Loop]:
        """Return what runs beside the pass."""
        return [
            self._loop(HEARTBEAT, self.heartbeat.poll),
            self._loop("rescuer", self._rescue),
            self._loop("watcher", self._watch),
            self._loop("follower", lambda: self.follower.poll() if self.is_free else LOOK_WHILE_HINDERED),
            self._loop("pruner", lambda: self.pruner.poll() if self.is_free else LOOK_WHILE_HINDERED),
            self._loop("bookkeeper", lambda: self.bookkeeper.poll() if self.is_free else LOOK_WHILE_HINDERED),
        ]

    def _publishing(self, publish: Callable[[], float]) -> Loop:
        """Publish whenever a pass may have queued something."""
        self._outlet = self._loop("publisher", lambda: publish() if self.is_free else LOOK_WHILE_HINDERED)
        return self._outlet

    def retire(self) -> None:
        """Never start any more: another engine takes this one's place."""
        self._retired = True

    def _pass_loop(self) -> Loop:
        loop = self._loop("pass", self._pass)
        self._loops.append(loop)
        return loop

    def _loop(self, name: str, poll: Callable[[], float]) -> Loop:
        return Loop(name, poll, clock=self.ctx.clock, bus=self.ctx.bus)

    def _pass(self) -> float:
        self.prepare()
        commits = self.passes.commits
        wait = self.passes.poll()
        if self._outlet is not None and self.passes.commits != commits:
            self._outlet.wake()
        self.meter.passed_at = self.ctx.clock.now()
        self._tell_of_stuck()
        return wait

    def _tell_of_stuck(self) -> None:
        """Let the others know soon of threads that have got stuck, or are free again."""
        stuck = self.pool.stuck
        if stuck != self._stuck:
            self._stuck = stuck
            for loop in (loop for loop in self._loops if loop.name == HEARTBEAT):
                loop.wake()

    def prepare(self) -> None:
        """Do what comes before each pass, unless another host's engine works on the file. Raises StoreUnavailable."""
        self.registered()
        if self.is_free:
            self.ctx.upkeep()

    def _rescue(self) -> float:
        return 0.1 if self.id is None else self.rescuer.poll()

    def _watch(self) -> float:
        if self.id is None or self._watcher is None:
            return 0.1
        return self._watcher.poll()

    def wake(self) -> None:
        """Let the pass look now, and the publisher."""
        self.scheduler.wakeup()
        if self._outlet is not None:
            self._outlet.wake()

    def registered(self) -> int:
        """Return the engine's id, making its row when it has none yet. Raises StoreUnavailable."""
        if (known := self.id) is not None and self._follows_rules:
            return known
        with self._enlisting:
            return self._registered(self.ctx)

    def _registered(self, ctx: EngineContext) -> int:
        if self.id is None:
            now, tasks = ctx.clock.now(), ctx.registry.names()
            self.id = ctx.database.write(lambda tx: self._enlist(tx, tasks, now))
            self.heartbeat.reset()
            ctx.bus.publish(EngineMoved(at=now, engine=self.id, move="started"))
        if not self._follows_rules and self.rescuer.hindrance is None:
            self._adopt_zone_rules(ctx.clock.now())
            self._follows_rules = True
        return self.id

    def _enlist(self, tx: sa.Connection, tasks: Collection[str], now: datetime) -> int:
        """Make the row, and note before the commit that an engine lives here, else our rescuer takes it for dead."""
        self.live.discard(self._name(self._enlisted))  # by a transaction that was undone
        others, drained_at = engines.live(tx), self.rescuer.drained_at
        who = self.identity.values() | {"celery_pool": self.celery_pool}
        self._enlisted = engines.register(
            tx, who, tasks=tasks, slots=self.ctx.slots, executors=self.pool.report(), now=now
        )
        if drained_at is not None:  # it was held for dead, and goes on as it was
            engines.drain(tx, self._enlisted, drained_at)
        self.live.add(self._name(self._enlisted))
        self.rescuer.meet(self._enlisted, others)
        return self._enlisted

    def _adopt_zone_rules(self, now: datetime) -> None:
        """Before anything fires by newer time zone rules, what was planned by older ones is carried over."""
        for job_id in adopt_rules(self.ctx.database, version=rules_version(), now=now):
            self.ctx.bus.publish(JobChanged(at=now, job_id=job_id, change="moved by newer time zone rules"))

    def _name(self, engine: int) -> tuple[int, str, int]:
        return os.getpid(), str(self.ctx.database.url), engine

    def _is_ours(self, engine: int) -> bool:
        return self._name(engine) in self.live

    def _renew(self) -> None:
        """Others hold this engine for dead: what it executes is not its own any more; begin with a new row."""
        self._cancel_all(Reason.DECLARED_DEAD)
        self._forget()
        self.wake()

    def _forget(self) -> None:
        if self.id is not None:
            self.live.discard(self._name(self.id))
        self.id = None
        self._follows_rules = False

    def _cancel_all(self, reason: str) -> None:
        for execution in self.pool.held():
            self.pool.cancel(execution.claim.run_id, reason)

    def begin_drain(self) -> None:
        """End claiming; from now on the engine is not ready."""
        self._draining = True

    def stop(self, *, drain: float = DRAIN_SECONDS, grace: float = CANCEL_SECONDS) -> None:
        """Stop, as gently as the seconds allow. Stopping twice changes nothing; the second waits for the first."""
        with self._moving:
            loops, threads = self._loops, self._threads
            self._loops, self._threads = [], []
        if not loops:
            self.ctx.clock.wait(self._ended, drain + grace + CLOSE_SECONDS)
            return
        try:
            self._stop(loops, threads, drain, grace)
        finally:
            self._ended.set()

    def _stop(self, loops: list[Loop], threads: list[threading.Thread], drain: float, grace: float) -> None:
        self.begin_drain()
        self._write(lambda tx: self._say(tx, EngineState.DRAINING))
        stale = [claim.held for claim in self.pool.stale(older_than=0.0)]
        self._write(lambda tx: claims.give_back(tx, stale, self.ctx.clock.now()))
        if not self._wait_until_idle(drain):
            self._cancel_all(Reason.SHUTDOWN)
            self._wait_until_idle(grace)
        self.scheduler.shutdown()
        for loop in loops:
            loop.stop()
        for thread in threads:
            thread.join(timeout=1.0)
        self._close_out()

    def _wait_until_idle(self, seconds: float) -> bool:
        clock, never = self.ctx.clock, threading.Event()
        limit = clock.monotonic() + seconds
        while not self.pool.idle:
            if clock.monotonic() >= limit:
                return False
            clock.wait(never, LOOK_WHILE_WAITING)
        return True

    def _close_out(self) -> None:
        """End the processes, settle what has ended, give back what has not, and say that the engine has stopped."""
        self.pool.stop()
        if self.id is not None:
            self._write(self._settle_rest)
            self.ctx.bus.publish(EngineMoved(at=self.ctx.clock.now(), engine=self.id, move="stopped"))
        self._coroutines.close()
        if self._watcher is not None:
            self._watcher.close()
        capture.uninstall()
        self._forget()

    def _settle_rest(self, tx: sa.Connection) -> None:
        now = self.ctx.clock.now()
        self.passes.settle_all(tx, now)
        if self.id is not None:
            rescues.take_over(tx, self.id, now=now, reason=Reason.SHUTDOWN)
        self._say(tx, EngineState.STOPPED)

    def _say(self, tx: sa.Connection, state: EngineState) -> None:
        if self.id is not None:
            engines.set_state(tx, self.id, state)

    def _write(self, work: Callable[[sa.Connection], Any]) -> None:
        """Write on the way out; when the store is away, the others find out by themselves."""
        try:
            self.ctx.database.write(work)
        except StoreUnavailable as error:
            self.ctx.bus.publish(EngineMoved(at=self.ctx.clock.now(), engine=self.id, move=f"unsaid: {error}"))
