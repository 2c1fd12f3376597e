"""What becomes of the attempts that have ended, and of what they logged and reported, inside the pass's transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.domain import outcome as outcomes
from scheduler_app.domain.policy import Delivery
from scheduler_app.domain.run import Reason, RunState
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.pool import Ended
from scheduler_app.signals import Bus, LateResultRefused, RunEnded
from scheduler_app.store import claims, limits, logs, rescues, runs, settling
from scheduler_app.store.standing import Standing
from scheduler_app.values import value

NO_CRASHES = rescues.Rescue()


@value
class Settled:
    """The outcomes that came too late, what became of the runs whose worker processes died, and how things stand then.

    `standing` is None when it may have changed since.
    """

    late: Sequence[outcomes.Outcome] = ()
    crashes: rescues.Rescue = NO_CRASHES
    standing: Standing | None = None


NOTHING_SETTLED = Settled()


def settle(tx: sa.Connection, ended: Sequence[Ended], now: datetime, firing: Collection[int] = ()) -> Settled:
    """Settle what has ended: give back, let crashes count as such, write the rest; `firing` as there."""
    if all(outcome.reason is None for _, outcome in ended):  # as a rule: neither is without a reason
        settled = settling.settle(tx, [outcomes.settle(outcome) for _, outcome in ended], now, firing)
        return Settled(late=settled.late, standing=settled.standing)
    given_back = [outcome.claim.held for _, outcome in ended if is_given_back(outcome)]
    claims.give_back(tx, given_back, now)
    deaths = {outcome.claim.held: outcome.error.message for _, outcome in ended if outcome.error and is_crash(outcome)}
    crashes = rescues.crash(tx, deaths, now) if deaths else NO_CRASHES
    rest = [outcome for _, outcome in ended if not (is_given_back(outcome) or is_crash(outcome))]
    settled = settling.settle(tx, [outcomes.settle(outcome) for outcome in rest], now, firing)
    return Settled(late=settled.late, crashes=crashes, standing=settled.standing)


def is_given_back(outcome: outcomes.Outcome) -> bool:
    """Whether an attempt stopped only because its engine asked it to, and is to be made again."""
    never_began = outcome.reason is Reason.NOT_STARTED
    return never_began or (outcomes.is_interrupted(outcome) and outcome.claim.delivery is Delivery.AT_LEAST_ONCE)


def is_crash(outcome: outcomes.Outcome) -> bool:
    """Whether an attempt ended because the worker process died that executed it."""
    return outcome.reason is Reason.CRASHED


def keep_news(tx: sa.Connection, executions: Sequence[Execution]) -> None:
    """Write what executions logged and reported since the last time.

    Only who still holds its claim may: a thread that outlives its timeout would write where the next attempt does.
    """
    news = [execution for execution in executions if execution.has_news or execution.progress is not None]
    if not news:
        return
    held = settling.held(tx, [execution.claim for execution in news])
    for execution in news:
        if execution.claim.held in held:
            _keep(tx, execution)
    begun = [(execution.claim, at) for execution in news if (at := execution.begun()) is not None]
    if begun:
        limits.note_begun(tx, begun)


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


def announce(bus: Bus, ended: Sequence[Ended], settled: Settled, now: datetime) -> None:
    """Tell how attempts have ended, once that is committed."""
    late, is_quiet = {id(outcome) for outcome in settled.late}, not bus.wants_successes
    for execution, outcome in ended:
        if is_quiet and outcome.state is RunState.SUCCEEDED and not late:
            continue
        if id(outcome) in late:
            bus.publish(LateResultRefused(at=now, run_id=outcome.claim.run_id, token=outcome.claim.token))
        elif not is_given_back(outcome):
            again = outcome.claim.run_id in settled.crashes.requeued
            bus.publish(_run_ended(outcome, execution.take_raised(), now, again=again))


def _run_ended(outcome: outcomes.Outcome, raised: BaseException | None, now: datetime, *, again: bool) -> RunEnded:
    """Return the event that tells how an attempt ended; `again` when it crashed and is made again."""
    is_over = outcome.state is RunState.SUCCEEDED or is_crash(outcome)
    return RunEnded(
        at=now,
        run_id=outcome.claim.run_id,
        job_id=outcome.claim.job_id,
        task=outcome.claim.task,
        attempt=outcome.claim.attempt,
        state=outcome.state,
        duration=(outcome.finished_at - outcome.started_at).total_seconds(),
        error=None if outcome.error is None else outcome.error.traceback or outcome.error.message,
        will_retry=again or not (is_over or outcomes.settle(outcome).ready_at is None),
        scheduled_at=outcome.claim.scheduled_at,
        result=outcome.result,
        exception=raised,
    )
