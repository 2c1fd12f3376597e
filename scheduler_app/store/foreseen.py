"""The jobs that fire next. Those that have just fired are known, and are not read once more."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.firing import FiringPlan
from scheduler_app.store.dues import DUE, DueJob, Unreadable, due
from scheduler_app.store.firing import Planned
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import jobs

KEYS = Statement(DUE.select.with_only_columns(jobs.c.key, jobs.c.version))


def due_again(
    tx: sa.Connection, at: datetime, limit: int, fired: Sequence[Planned], *, is_one: bool = False
) -> Sequence[DueJob | Unreadable]:
    """Return the jobs that are due at a time, the longest overdue first; `is_one`: it is one job.

    `fired` is what this transaction has fired.
    """
    known = {(job.key, job.version): _advanced(job, plan, at) for job, plan in fired if plan.next_run_time == at}
    if known:
        if is_one:
            return [*known.values()]
        keys = [(row.key, row.version) for row in KEYS.rows(tx, now=to_micros(at), most=limit)]
        if all(key in known for key in keys):
            return [known[key] for key in keys]
    return due(tx, at, limit)


def _advanced(job: DueJob, plan: FiringPlan, at: datetime) -> DueJob:
    """Return a job as it stands after what was planned of it."""
    return DueJob(
        key=job.key,
        id=job.id,
        task=job.task,
        args=job.args,
        kwargs=job.kwargs,
        trigger=job.trigger,
        policies=job.policies,
        next_run_time=at,
        skip_count=job.skip_count - len(plan.skipped),
        version=job.version,
    )
