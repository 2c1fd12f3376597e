"""Add a job in a transaction of the caller's own."""

from dataclasses import replace

from scheduler_app.domain.change import What, facts, is_noted, of_job
from scheduler_app.domain.job import Job, JobSpec, LastRun
from scheduler_app.domain.run import Origin, Reason, RunState
from scheduler_app.services.admission import admit
from scheduler_app.services.context import Context
from scheduler_app.services.definitions import Start
from scheduler_app.services.jobs import asked_row, is_due_soon, taken, told
from scheduler_app.services.trail import entry
from scheduler_app.store import jobs
from scheduler_app.store.foreign import ForeignTransaction
from scheduler_app.store.trail import values_of


def enqueue(spec: JobSpec, within: ForeignTransaction, *, start: Start | None = None, ctx: Context) -> Job:
    """Add a job that exists when the caller commits, and never did when they roll back. IdTaken when the id is in use.

    Without a trigger its one run is due with the commit.
    """
    now = ctx.clock.now()
    job = admit(spec, ctx.registry, now)
    job = job if start is None else start.apply(job)
    key = within.insert_job(jobs.values_of(job), tags=tuple(job.policies.tags))
    if key is None:
        raise taken(job.id)
    job = replace(job, key=key)
    if job.trigger is None:
        job = replace(job, last_run=_insert_run(job, within, ctx))
    if is_noted(job, ctx.actor.name):
        within.insert_change(values_of(entry(ctx.actor, now, What.JOB_CREATED, of_job(job.id), after=facts(job))))
    if is_due_soon(job, now):
        within.wake()

    def tell() -> None:
        if not within.in_savepoint or _is_kept(job, ctx):
            told(ctx, job, "added", now)

    within.on_commit(tell)
    return job


def _insert_run(job: Job, within: ForeignTransaction, ctx: Context) -> LastRun:
    reason = None if job.policies.concurrency_key is None else Reason.DELAYED
    run_id = within.insert_run(asked_row(job, Origin.ONCE, ctx.clock.now(), waits=reason))
    return LastRun(id=run_id, state=RunState.QUEUED if reason is None else RunState.SCHEDULED)


def _is_kept(job: Job, ctx: Context) -> bool:
    """Whether a job is there; a savepoint may have been rolled back."""
    with ctx.database.read() as tx:
        found = jobs.find(tx, job.id)
    return found is not None and found.key == job.key
