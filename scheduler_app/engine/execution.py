"""One attempt while it executes, and `current_run`, through which its task sees it."""

import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timedelta

from scheduler_app.clock import Clock
from scheduler_app.domain.run import Claim, ParentRun, Progress
from scheduler_app.engine.runlog import RunLog
from scheduler_app.errors import OutsideRun, RunCancelled
from scheduler_app.store.logs import LogPiece

LOGGER = logging.getLogger("scheduler_app.run")
LOGGER.setLevel(logging.DEBUG)
MOST_MESSAGE = 1024
MOST_SLOW = 0.05
MAKING = threading.Lock()


class Execution:
    """An attempt in a slot. The thread that executes it writes, the pass reads."""

    def __init__(self, claim: Claim, clock: Clock) -> None:
        self.claim = claim
        self.clock = clock
        self.log = RunLog()
        self._cancelled: threading.Event | None = None
        self.claimed_at = clock.monotonic()
        self.started_at: datetime | None = None
        self._begun_at: datetime | None = None
        self._given_begin: datetime | None = None
        self._written_begin: datetime | None = None
        self.deadline: float | None = None
        self.timed_out = False
        self.cancel_reason: str | None = None
        self.progress: Progress | None = None
        self.raised: BaseException | None = None
        self._on_cancel: Callable[[], None] | None = None
        self._written_progress: Progress | None = None
        self._pieces: list[LogPiece] = []

    @property
    def cancelled(self) -> threading.Event:
        """Set when the task is asked to stop; made when somebody wants to know, which is rare."""
        if self._cancelled is None:
            with MAKING:
                self._cancelled = self._cancelled or threading.Event()
        return self._cancelled

    def start(self) -> None:
        """Note that the attempt begins now."""
        self.started_at = self.clock.now()
        if self.claim.timeout is not None:
            self.deadline = self.clock.monotonic() + self.claim.timeout

    def begin(self) -> None:
        """Note that the task is called now, wherever it executes: a counted start counts from now on."""
        if self.claim.is_counted and self._begun_at is None:
            delay = self.clock.monotonic() - self.claimed_at
            # where a thread was slow to come so far, it may be slow to come to its task
            self._begun_at = self.clock.now() + timedelta(seconds=min(delay, MOST_SLOW))

    def cancel(self, reason: str) -> None:
        """Ask the task to stop."""
        if not self.cancelled.is_set():
            self.cancel_reason = reason
            self.cancelled.set()
            if (call := self._on_cancel) is not None:
                call()

    def on_cancel(self, call: Callable[[], None] | None) -> None:
        """Call this too when the task is asked to stop; at once when it was already."""
        self._on_cancel = call
        if call is not None and self.cancelled.is_set():
            call()

    @property
    def is_cancelled_otherwise(self) -> bool:
        """Whether something else than its thread must hear of a cancel: a coroutine's loop, a worker process."""
        return self._on_cancel is not None

    def take_raised(self) -> BaseException | None:
        """Return what the task raised, once: kept longer, its traceback and this object would keep each other."""
        raised, self.raised = self.raised, None
        return raised

    def is_past(self, now: float) -> bool:
        """Whether its time is over and that was not noted yet."""
        return self.deadline is not None and self.deadline <= now and not self.timed_out

    def is_deaf(self, limit: float) -> bool:
        """Whether it is noted as past its time, which was over at `limit`."""
        return self.timed_out and self.deadline is not None and self.deadline <= limit

    def seconds_left(self, now: float) -> float | None:
        """Seconds until its deadline; None when it has none, or it is noted as past."""
        return None if self.deadline is None or self.timed_out else self.deadline - now

    @property
    def has_news(self) -> bool:
        """Whether it logged or reported anything that is not written yet."""
        return (
            self.log.has_lines
            or bool(self._pieces)
            or self.progress is not self._written_progress
            or self._begun_at is not self._written_begin
        )

    def begun(self) -> datetime | None:
        """Return when a counted start happened, if that is not written yet."""
        self._given_begin = self._begun_at
        return None if self._given_begin is self._written_begin else self._given_begin

    def unwritten(self) -> list[LogPiece]:
        """Return the log that is not written yet; it is kept until `written` says so."""
        self._pieces += self.log.drain()
        return self._pieces

    def written(self) -> None:
        """Note that what `unwritten` and `begun` gave, and the progress, are in the store."""
        self._pieces = []
        self._written_begin = self._given_begin
        self._written_progress = self.progress


_current: ContextVar[Execution] = ContextVar("scheduler_app_execution")


def executing() -> Execution | None:
    """Return the execution of the calling code, None outside a run."""
    return _current.get(None)


def enter(execution: Execution) -> None:
    """Make `execution` the current one, in a context of its own."""
    _current.set(execution)


class CurrentRun:
    """The run that the calling task executes. Using it anywhere else raises OutsideRun."""

    @property
    def id(self) -> int:
        """The run's id."""
        return self._execution.claim.run_id

    @property
    def job_id(self) -> str:
        """The id of the job it belongs to."""
        return self._execution.claim.job_id

    @property
    def task(self) -> str:
        """The name of the task."""
        return self._execution.claim.task

    @property
    def scheduled_at(self) -> datetime:
        """When the run was due, aware UTC."""
        return self._execution.claim.scheduled_at

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._execution.claim.attempt

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt and retry of this piece of work, and for nothing else."""
        return self._execution.claim.idempotency_key

    @property
    def parent(self) -> ParentRun | None:
        """The run whose end fired this one, as it ended; None when none did, or it is not kept any more."""
        return self._execution.claim.parent

    @property
    def cancelled(self) -> bool:
        """Whether the run was asked to stop: by a person, its timeout, or the end of its engine."""
        return self._execution.cancelled.is_set()

    @property
    def logger(self) -> logging.Logger:
        """A logger whose lines are kept with the run, whatever level the application logs at."""
        self._execution  # noqa: B018 - refuses use outside a run
        return LOGGER

    def check_cancelled(self) -> None:
        """Raise RunCancelled if the run was asked to stop; let it pass, and the run ends as `cancelled`."""
        execution = self._execution
        if execution.cancelled.is_set():
            raise RunCancelled(f"run {execution.claim.run_id} was asked to stop: {execution.cancel_reason}")

    def sleep(self, seconds: float) -> None:
        """Sleep, but end at once with RunCancelled when the run is asked to stop."""
        execution = self._execution
        execution.clock.wait(execution.cancelled, seconds)
        self.check_cancelled()

    def progress(self, current: float, total: float | None = None, message: str | None = None) -> None:
        """Say how far the task is; it is kept with the run within a second."""
        text = None if message is None else _storable(str(message)[:MOST_MESSAGE])
        whole = None if total is None else float(total)
        self._execution.progress = Progress(current=float(current), total=whole, message=text)

    @property
    def _execution(self) -> Execution:
        execution = executing()
        if execution is None:
            raise OutsideRun("current_run exists only inside a task while a run executes it")
        return execution


def _storable(text: str) -> str:
    """Write out what no database takes: zeros and halves of characters."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


current_run = CurrentRun()
