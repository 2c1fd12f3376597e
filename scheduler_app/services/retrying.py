"""Retry a run by hand: a new run of the same work, in place of one that has ended."""

from dataclasses import dataclass, replace

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.change import What, of_run
from scheduler_app.domain.policy import Delivery
from scheduler_app.domain.run import Origin, Run
from scheduler_app.errors import Conflict
from scheduler_app.services.admission import admit_arguments
from scheduler_app.services.context import Context
from scheduler_app.services.jobs import by_hand
from scheduler_app.services.runs import find
from scheduler_app.services.trail import noting
from scheduler_app.store import jobs, runs


@dataclass(frozen=True, kw_only=True)
class Retried:
    """The new run, and what a person should know about it."""

    run: Run
    warning: str | None


def retry_run(run_id: int, *, ctx: Context) -> Retried:
    """Queue the work of an ended run once more. Conflict while it has not ended, and when its job was deleted.

    It keeps the scheduled time and the idempotency key: to whoever is paid or told by the task it is the same work.
    """
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> Retried:
        run = find(tx, run_id)
        if run.is_open:
            raise Conflict(f"run {run_id} is {run.state}; only a run that has ended can be retried, so cancel it first")
        job = jobs.find(tx, run.job_id)
        if job is None or job.key != run.job_key:
            raise Conflict(f"the job {run.job_id!r} of run {run_id} was deleted; add it again and run it")
        args, kwargs = admit_arguments(ctx.registry.get(run.task), run.args, run.kwargs)
        values = by_hand(tx, replace(job, args=args, kwargs=kwargs), Origin.RETRY, now) | {
            "task": run.task,
            "scheduled_at": to_micros(run.scheduled_at),
            "retry_of": run.id,
            "first_run": _first(tx, run),
            "parent_run": run.parent,
        }
        again = find(tx, runs.insert_retry(tx, values))
        noting(tx, ctx, now).change(What.RUN_RETRIED, of_run(run.id), after={"job": run.job_id, "run": again.id})
        return Retried(run=again, warning=_warning(run, job.policies.delivery))

    retried = ctx.database.write(work)
    ctx.wake()
    return retried


def _first(tx: sa.Connection, run: Run) -> int | None:
    """Return the run that the idempotency key comes from; None when it comes from a firing."""
    if run.origin is Origin.SCHEDULE:
        return None
    return runs.first_run(tx, run.id) if run.origin is Origin.RETRY else run.id


def _warning(run: Run, delivery: Delivery) -> str | None:
    if delivery is not Delivery.AT_MOST_ONCE or run.started_at is None:
        return None
    return (
        f"the job is at_most_once, and run {run.id} had been started: whatever it did before it ended {run.state} "
        "may now be done a second time"
    )
