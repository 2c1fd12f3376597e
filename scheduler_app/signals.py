"""What may be announced. Code that does something publishes; one subscriber words the log, another counts."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from scheduler_app.values import value


@value
class Event:
    """Something that has happened; names of events are past tense."""

    at: datetime


@value
class JobChanged(Event):
    """A job was added, changed, paused, resumed or deleted."""

    job_id: str
    change: str


@value
class KeyRevoked(Event):
    """A key is good no more."""

    key_id: int


@value
class RunStarted(Event):
    """An attempt of a run began."""

    run_id: int
    job_id: str
    task: str
    attempt: int


@value
class RunEnded(Event):
    """An attempt of a run ended; `will_retry` when another one follows. `result` is JSON text, `error` a traceback."""

    run_id: int
    job_id: str
    task: str
    attempt: int
    state: str
    duration: float
    error: str | None
    will_retry: bool
    scheduled_at: datetime
    result: str | None
    exception: BaseException | None


@value
class FiringsMissed(Event):
    """Firings of a job came later than its grace time, and are recorded as missed; `until` is the last one's time."""

    job_id: str
    until: datetime


@value
class LateResultRefused(Event):
    """A result came after its run was taken away, and was not kept."""

    run_id: int
    token: int


@value
class EngineRescued(Event):
    """A dead engine was found, and its runs taken over."""

    engine: int
    requeued: tuple[int, ...]
    ended: tuple[int, ...]


@value
class JobBroke(Event):
    """The trigger of a job could not be computed; the job is set aside."""

    job_id: str
    reason: str


@value
class LoopFailed(Event):
    """A poll of an engine's loop failed; it is tried again."""

    loop: str
    error: BaseException
    retry_in: float


@value
class WorkerFailed(Event):
    """A worker process could not be started; the runs that wanted it wait, and it is tried again."""

    why: str


@value
class HistoryPruned(Event):
    """Runs that were to be kept no longer were deleted, and finished jobs with their last run."""

    runs: int
    jobs: int


@value
class EngineMoved(Event):
    """An engine started, drained or stopped."""

    engine: int | None
    move: str


Subscriber = Callable[[Any], None]


def always() -> bool:
    """Tell that successes are of interest."""
    return True


def never() -> bool:
    """Tell that successes are of no interest."""
    return False


class Bus:
    """Delivers events to subscribers, in the publisher's thread."""

    def __init__(self) -> None:
        self._subscribers: tuple[Subscriber, ...] = ()
        self._asked: tuple[Callable[[], bool], ...] = ()

    def subscribe(self, subscriber: Subscriber, *, successes: Callable[[], bool] = always) -> None:
        """Call `subscriber` with every event from now on; it must be quick and must not raise.

        Most events are runs that ended well: where nobody wants them, asked by `successes`, none is made.
        """
        self._subscribers = (*self._subscribers, subscriber)
        if successes is not never:
            self._asked = (*self._asked, successes)

    @property
    def wants_successes(self) -> bool:
        """Whether anybody is to be told now that a run has ended well."""
        return True in [asked() for asked in self._asked]

    def publish(self, event: Event) -> None:
        """Tell every subscriber."""
        for subscriber in self._subscribers:
            subscriber(event)
