"""Pauses that end by themselves: a paused job is active again from its `paused_until` on, whenever that is noticed."""

from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.firing import FiringPlan
from scheduler_app.domain.job import Job, JobState
from scheduler_app.store import firing
from scheduler_app.store.jobs import finish_idle
from scheduler_app.store.lanes import wake_others
from scheduler_app.store.rows import job_of, micros
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import jobs

LAPSED = Statement(
    sa.select(jobs)
    .where(
        sa.text("state = 'paused' AND paused_until IS NOT NULL"),
        jobs.c.paused_until <= sa.bindparam("now"),
    )
    .order_by(jobs.c.paused_until)
    .limit(sa.bindparam("most"))
)
NEXT_LAPSE = Statement(
    sa.select(jobs.c.paused_until)
    .where(sa.text("state = 'paused' AND paused_until IS NOT NULL"))
    .order_by(jobs.c.paused_until)
    .limit(1)
)
END = Statement(
    jobs.update()
    .where(
        jobs.c.key == sa.bindparam("key_"),
        jobs.c.version == sa.bindparam("version_"),
        jobs.c.state == JobState.PAUSED,
    )
    .values(
        state=JobState.ACTIVE,
        reason=None,
        paused_until=None,
        next_run_time=sa.bindparam("next_"),
        version=jobs.c.version + 1,
        updated_at=sa.bindparam("now_"),
    )
)


def lapsed(tx: sa.Connection, now: datetime, limit: int) -> list[Job]:
    """Return the jobs whose pause has ended by itself."""
    return [job_of(row) for row in LAPSED.rows(tx, now=to_micros(now), most=limit)]


def end(tx: sa.Connection, job: Job, plan: FiringPlan, now: datetime) -> None:
    """Let a paused job fire again, and record what the pause held back, if the job still stands as it was read."""
    values = {"version_": job.version, "next_": micros(plan.next_run_time), "now_": to_micros(now)}
    if END.run(tx, key_=job.key, **values) != 1:
        return  # somebody changed or resumed it meanwhile
    wake_others(tx)
    firing.insert_missed(tx, job, plan.missed, now)
    if plan.next_run_time is None:
        finish_idle(tx, [job.key])
