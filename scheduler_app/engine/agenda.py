"""What a pass works with, and what one is to do and finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from scheduler_app.clock import Clock
from scheduler_app.domain.firing import FiringPlan
from scheduler_app.domain.job import Job
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Claim
from scheduler_app.domain.task import Registry
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.limiting import Hold
from scheduler_app.engine.pool import Ended
from scheduler_app.engine.pools import Pools
from scheduler_app.engine.settlement import NOTHING_SETTLED, Settled
from scheduler_app.engine.tempo import Meter
from scheduler_app.failpoints import failpoint
from scheduler_app.signals import Bus
from scheduler_app.store.database import Database
from scheduler_app.store.dues import DueJob, Unreadable
from scheduler_app.store.firing import Planned
from scheduler_app.store.outlook import Outlook


@dataclass(frozen=True, kw_only=True)
class PassContext:
    """What a pass works with. `engine_id` registers the engine when it has no row yet; `may_work` asks the beat.

    An engine that `takes_runs` no more fires, settles and rescues all the same.

    `limits` is how many runs of an executor execute at once, over all engines.
    """

    database: Database
    registry: Registry
    clock: Clock
    bus: Bus
    pool: Pools
    engine_id: Callable[[], int]
    may_work: Callable[[], bool]
    takes_runs: Callable[[], bool]
    meter: Meter
    limits: Mapping[Executor, int] = field(default_factory=dict)


@dataclass(kw_only=True)
class Agenda:
    """What one pass is to do, and what it finds."""

    now: datetime
    engine: int
    ended: list[Ended] = field(default_factory=list)
    stale: set[tuple[int, int]] = field(default_factory=set)
    outranked: set[tuple[int, int]] = field(default_factory=set)
    queues: set[Executor] = field(default_factory=set)
    unseen: bool = False
    planned: list[Planned] = field(default_factory=list)
    fired: Sequence[Planned] = ()
    broken: list[tuple[DueJob | Unreadable | Job, str]] = field(default_factory=list)
    lapsed: list[tuple[Job, FiringPlan]] = field(default_factory=list)
    live: list[Execution] = field(default_factory=list)
    paused: bool = False
    more: bool = False
    ready: bool = False
    next_at: datetime | None = None
    ahead: Outlook | None = None
    next_due: Sequence[DueJob | Unreadable] = ()
    claimed: list[Claim] = field(default_factory=list)
    held: dict[str, Hold] = field(default_factory=dict)
    settled: Settled = NOTHING_SETTLED

    @property
    def news(self) -> list[Execution]:
        """The executions that may have logged or reported something."""
        return [*[execution for execution, _ in self.ended], *self.live]

    @property
    def ended_jobs(self) -> set[int]:
        """The keys of the jobs of which attempts have ended."""
        return {execution.claim.job_key for execution, _ in self.ended}

    def committed(self) -> None:
        """Pass the failpoints between a commit and what follows from it."""
        if self.ended:
            failpoint("settle.after_commit")
        if self.planned:
            failpoint("fire.after_commit")
        if self.claimed:
            failpoint("claim.after_commit")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        coming = self.planned or self.broken or self.lapsed or self.ready or self.queues
        return not (coming or self.ended or self.stale or self.live)
