"""The attempts of a run: those that others followed, as they are kept, and the last one, as the run tells it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from scheduler_app.domain.attempt import PastAttempt
from scheduler_app.domain.run import Run, RunState

MOST = 8
WAITING = (RunState.SCHEDULED, RunState.QUEUED)
CRASHED = "crashed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try, in the look of a state; of one made before attempts were kept neither start nor `seconds` are known."""

    number: int
    state: str
    word: str
    started_at: datetime | None = None
    seconds: float | None = None
    error: str | None = None


def attempts_of(run: Run, past: Sequence[PastAttempt], now: datetime) -> tuple[Attempt, ...]:
    """Return the newest attempts of a run, in order."""
    return tuple(_attempts(run, {one.number: one for one in past}, now))[-MOST:]


def _attempts(run: Run, past: dict[int, PastAttempt], now: datetime) -> Iterator[Attempt]:
    for number in range(max(1, run.attempt - MOST), run.attempt + 1):
        one = past.get(number)
        is_last = number == run.attempt and run.state not in WAITING
        if is_last:
            seconds = None if run.started_at is None else ((run.finished_at or now) - run.started_at).total_seconds()
            yield Attempt(number=number, state=run.state, word=run.state, started_at=run.started_at, seconds=seconds)
        elif one is None:
            yield Attempt(number=number, state="failed", word="failed")
        else:
            yield Attempt(
                number=number,
                state="lost" if one.state == CRASHED else one.state,
                word=one.state.replace("_", " "),
                started_at=one.started_at,
                seconds=(one.finished_at - one.started_at).total_seconds(),
                error=one.error,
            )
