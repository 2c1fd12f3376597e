"""How an attempt ended, and what follows from it: the final state, or another attempt."""

from datetime import datetime, timedelta

from scheduler_app.domain.retry import RetryPolicy
from scheduler_app.domain.run import Claim, Reason, RunError, RunState
from scheduler_app.values import value

RETRIED = frozenset({RunState.FAILED, RunState.TIMED_OUT})
INTERRUPTIONS = frozenset({Reason.SHUTDOWN, Reason.NO_BEAT, Reason.DECLARED_DEAD})
MOST_CRASHES_ALONE = 3
# from here on a run is suspected even when its whole service died each time
MANY_CRASHES = 10


@value
class Outcome:
    """The end of an attempt: `result` is JSON text, `state` one of the final states."""

    claim: Claim
    state: RunState
    started_at: datetime
    finished_at: datetime
    result: str | None = None
    error: RunError | None = None
    reason: str | None = None


@value
class Settlement:
    """What the settle writes: the state that follows, and when a further attempt may start."""

    outcome: Outcome
    state: RunState
    reason: str | None
    ready_at: datetime | None


def is_interrupted(outcome: Outcome) -> bool:
    """Whether an attempt stopped because its engine asked it to, which nobody wanted of the run."""
    return outcome.state is RunState.CANCELLED and outcome.reason in INTERRUPTIONS


def settle(outcome: Outcome) -> Settlement:
    """Decide what follows an attempt. Failures count towards the retries, crashes do not."""
    claim = outcome.claim
    if is_interrupted(outcome):
        return Settlement(outcome=outcome, state=RunState.LOST, reason=outcome.reason, ready_at=None)
    failures = claim.attempt - claim.crashes
    if outcome.state not in RETRIED or claim.retry is None or failures >= claim.max_attempts:
        return Settlement(outcome=outcome, state=outcome.state, reason=outcome.reason, ready_at=None)
    delay = RetryPolicy.from_json(claim.retry).after(failures, seed=claim.idempotency_key)
    ready_at = outcome.finished_at + timedelta(seconds=delay)
    return Settlement(outcome=outcome, state=RunState.SCHEDULED, reason=Reason.RETRY, ready_at=ready_at)
