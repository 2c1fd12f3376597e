"""What follows when attempts have ended: they are settled, what they said is kept, and it is announced."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.domain import outcome as outcomes
from scheduler_app.domain.policy import Delivery
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.pool import Ended
from scheduler_app.signals import RunEnded
from scheduler_app.store import claims, logs, runs, settling


def settle(tx: sa.Connection, ended: Sequence[Ended], now: datetime) -> list[outcomes.Outcome]:
    """Settle what has ended and return what came too late."""
    claims.give_back(tx, [outcome.claim.held for _, outcome in ended if is_given_back(outcome)], now)
    return settling.settle(tx, [outcomes.settle(outcome) for _, outcome in ended if not is_given_back(outcome)], now)


def is_given_back(outcome: outcomes.Outcome) -> bool:
    """Whether an attempt stopped only because its engine asked it to, and is to be made again."""
    return outcomes.is_interrupted(outcome) and outcome.claim.delivery is Delivery.AT_LEAST_ONCE


def keep_news(tx: sa.Connection, executions: Sequence[Execution]) -> None:
    """Write what executions logged and reported since the last time.

    Only who still holds its claim may: a thread that outlives its timeout would write where the next attempt does.
    """
    news = [execution for execution in executions if execution.has_news or execution.progress is not None]
    held = settling.held(tx, [execution.claim for execution in news])
    for execution in news:
        if execution.claim.held in held:
            _keep(tx, execution)


def _keep(tx: sa.Connection, execution: Execution) -> None:
    claim = execution.claim
    pieces = execution.unwritten()
    if pieces:
        if execution.log.base is None:
            execution.log.base = logs.size(tx, claim.run_id)
        logs.append(tx, claim.run_id, claim.attempt, execution.log.base, pieces)
    progress = execution.progress
    if progress is not None:
        values = {"current_": progress.current, "total_": progress.total, "message_": progress.message}
        runs.set_progress(tx, [{"id_": claim.run_id, **values}])


def run_ended(outcome: outcomes.Outcome, raised: BaseException | None, now: datetime) -> RunEnded:
    """Return the event that tells how an attempt ended."""
    follows = outcomes.settle(outcome)
    return RunEnded(
        at=now,
        run_id=outcome.claim.run_id,
        job_id=outcome.claim.job_id,
        task=outcome.claim.task,
        attempt=outcome.claim.attempt,
        state=outcome.state,
        duration=(outcome.finished_at - outcome.started_at).total_seconds(),
        error=None if outcome.error is None else outcome.error.traceback or outcome.error.message,
        will_retry=follows.ready_at is not None,
        scheduled_at=outcome.claim.scheduled_at,
        result=outcome.result,
        exception=raised,
    )
