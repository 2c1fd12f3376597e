"""The slots of an engine by executor: what the pass sees as one, and the pool in which worker processes execute."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from scheduler_app.clock import Clock
from scheduler_app.domain.choosing import Room
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Claim
from scheduler_app.engine.crew import Crew
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.pool import Ended, Pool, ThreadPool

CLOSE_SECONDS = 1.0


class ProcessPool(ThreadPool):
    """Executes claims in worker processes, each followed by a thread. Timeouts and cancels end the process."""

    def __init__(self, slots: int, crew: Crew, *, clock: Clock, on_outcome: Callable[[], None]) -> None:
        super().__init__(slots, crew.perform, clock=clock, on_outcome=on_outcome)
        self._crew = crew

    def room(self) -> Room:
        """Return what can be taken now: nothing while no process starts."""
        room = super().room()
        return replace(room, free=0, durations={}) if self._crew.rests else room

    def expire(self) -> None:
        """End idle processes; who follows a run watches its time."""
        self._crew.trim()

    def stop(self) -> None:
        """End every process, and what executes in them."""
        super().stop()
        self._crew.close()
        limit = self._clock.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, limit - self._clock.monotonic()))

    @property
    def stuck(self) -> int:
        """Return 0: a process that does not stop is killed."""
        return 0

    @property
    def ailment(self) -> str | None:
        """What is wrong with it: threads that have ended, or processes that do not start."""
        return super().ailment or self._crew.ailment


class Pools:
    """An engine's pools, each under the executor whose runs it takes; one pool may stand for several."""

    def __init__(self, pools: Mapping[Executor, Pool]) -> None:
        self._pools = dict(pools)
        self._each = tuple(dict.fromkeys(self._pools.values()))

    def __iter__(self) -> Iterator[Executor]:
        return iter(self._pools)

    def of(self, executor: Executor) -> Pool:
        """Return the pool of an executor."""
        return self._pools[executor]

    def start(self) -> None:
        """Be ready to execute."""
        for pool in self._each:
            pool.start()

    def stop(self) -> None:
        """Take no more work; threads finish what they execute, processes are ended."""
        for pool in self._each:
            pool.stop()

    @property
    def idle(self) -> bool:
        """Whether nothing executes or waits for a slot."""
        return all(pool.room().idle for pool in self._each)

    @property
    def has_room(self) -> bool:
        """Whether any could take a run."""
        return any(pool.room().most > 0 for pool in self._each)

    def hand_over(self, claims: Iterable[Claim]) -> None:
        """Execute these claims, each by its executor."""
        claimed = list(claims)
        for executor in dict.fromkeys([claim.executor for claim in claimed]):
            self._pools[executor].hand_over([claim for claim in claimed if claim.executor is executor])

    @property
    def has_ended(self) -> bool:
        """Whether `ended` would return anything."""
        return any(pool.has_ended for pool in self._each)

    def ended(self) -> list[Ended]:
        """Return what has ended since the last call."""
        return [entry for pool in self._each for entry in pool.ended()]

    def put_back(self, ended: Sequence[Ended]) -> None:
        """Return what could not be settled yet."""
        for pool in self._each:
            pool.put_back([entry for entry in ended if self._pools[entry[0].claim.executor] is pool])

    def stale(self, *, older_than: float) -> list[Claim]:
        """Take back claims that have waited longer than that for a slot."""
        return [claim for pool in self._each for claim in pool.stale(older_than=older_than)]

    def held(self) -> list[Execution]:
        """Return what executes or waits for a slot."""
        return [execution for pool in self._each for execution in pool.held()]

    def cancel(self, run_id: int, reason: str) -> None:
        """Ask a run to stop; one that has not started ends at once."""
        for pool in self._each:
            pool.cancel(run_id, reason)

    def expire(self) -> None:
        """Time out what is past its deadline."""
        for pool in self._each:
            pool.expire()

    @property
    def ailments(self) -> dict[str, str | None]:
        """What is wrong with the pool of each executor."""
        return {executor: pool.ailment for executor, pool in self._pools.items()}

    @property
    def stuck(self) -> int:
        """How many slots are taken by runs that are over."""
        return sum(pool.stuck for pool in self._each)

    def report(self) -> dict[str, dict[str, int]]:
        """Return slots and stuck slots of each executor, as the others are told."""
        return {
            str(executor): {"slots": pool.room().slots, "stuck": pool.stuck} for executor, pool in self._pools.items()
        }
