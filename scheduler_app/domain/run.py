"""A run: one execution wanted, its states and the legal moves between them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from scheduler_app.domain.policy import Delivery, Executor
from scheduler_app.values import value


class RunState(StrEnum):
    """Where a run stands."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"
    MISSED = "missed"
    SKIPPED = "skipped"


class Origin(StrEnum):
    """Why a run exists."""

    SCHEDULE = "schedule"
    ONCE = "once"
    MANUAL = "manual"
    RETRY = "retry"


class Reason(StrEnum):
    """Why a run waits, or was never executed, or ended as it did."""

    BLOCKED = "blocked"
    JITTER = "jitter"
    RETRY = "retry"
    GRACE = "misfire_grace_time"
    COALESCED = "coalesced"
    PAUSED = "paused"
    BROKEN = "broken"
    OVERLAP = "overlap"
    JOB_DELETED = "job_deleted"
    REQUESTED = "requested"
    CRASHED = "crashed"
    DELAYED = "delayed"
    SHUTDOWN = "shutdown"
    NO_BEAT = "no_beat"
    DECLARED_DEAD = "engine_declared_dead"
    TIMEOUT = "timeout"
    NOT_STARTED = "not_started"


S = RunState
MOVES: dict[RunState, frozenset[RunState]] = {
    S.SCHEDULED: frozenset({S.QUEUED, S.SCHEDULED, S.CANCELLED}),
    S.QUEUED: frozenset({S.RUNNING, S.SCHEDULED, S.CANCELLED}),
    S.RUNNING: frozenset(
        {S.SUCCEEDED, S.FAILED, S.TIMED_OUT, S.CANCELLED, S.LOST, S.SCHEDULED, S.QUEUED},
    ),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.TIMED_OUT: frozenset(),
    S.CANCELLED: frozenset(),
    S.LOST: frozenset(),
    S.MISSED: frozenset(),
    S.SKIPPED: frozenset(),
}
OPEN_STATES = (S.SCHEDULED, S.QUEUED, S.RUNNING)
FINAL_STATES = tuple(state for state, moves in MOVES.items() if not moves)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunError:
    """How an attempt failed."""

    type: str
    message: str
    traceback: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a task says it is."""

    current: float
    total: float | None
    message: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MissedRange:
    """Firings of a job that were not executed: the first, the last, and how many (null above 10,000)."""

    since: datetime
    until: datetime
    count: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run as it is kept. Times are aware UTC, durations seconds."""

    id: int
    job_key: int
    job_id: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    origin: Origin
    retry_of: int | None
    parent: int | None
    scheduled_at: datetime
    state: RunState
    reason: str | None
    attempt: int
    max_attempts: int
    crashes: int
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    ready_at: datetime
    concurrency_key: str | None
    executor: str
    engine: int | None
    cancel_requested: bool
    progress: Progress | None
    result: Any
    error: RunError | None
    missed: MissedRange | None

    @property
    def duration(self) -> float | None:
        """Seconds from start to end of the last attempt."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def lateness(self) -> float | None:
        """Seconds from the scheduled time to the start."""
        return None if self.started_at is None else (self.started_at - self.scheduled_at).total_seconds()

    @property
    def is_open(self) -> bool:
        """Whether something may still happen to it."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, kw_only=True, slots=True)
class ParentRun:
    """The run whose end caused another one, as it ended; `result` is its JSON value."""

    id: int
    job_id: str
    state: RunState
    attempt: int
    scheduled_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: Any
    error: RunError | None


@value
class Claim:
    """A run taken by an engine: what it needs to execute it, and the token that proves it.

    `is_counted`: its start counts towards a rate limit.
    """

    run_id: int
    token: int
    job_key: int
    job_id: str
    task: str
    args: str
    kwargs: str
    origin: str
    scheduled_at: datetime
    ready_at: datetime
    attempt: int
    max_attempts: int
    crashes: int
    suspicions: int
    alone: bool
    priority: int
    concurrency_key: str | None
    timeout: float | None
    delivery: Delivery
    retry: str | None
    first_run: int
    parent: ParentRun | None = None
    executor: Executor = Executor.THREAD
    is_counted: bool = False

    @property
    def held(self) -> tuple[int, int]:
        """What proves the claim: the run's id and the token."""
        return self.run_id, self.token

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt and retry of one piece of work."""
        of_a_firing = self.origin == Origin.RETRY and self.first_run == self.run_id
        if self.origin == Origin.SCHEDULE or of_a_firing:
            return f"{self.job_key}@{self.scheduled_at.isoformat()}"
        return f"run-{self.first_run}"
