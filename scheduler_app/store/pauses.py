"""Pauses that end by themselves: a paused job is active again from its `paused_until` on, whenever that is noticed."""

from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import rfc3339, to_micros
from scheduler_app.domain.change import ENGINE, What, of_job
from scheduler_app.domain.firing import FiringPlan
from scheduler_app.domain.job import Job, JobState
from scheduler_app.store import firing, trail
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


def lapse(tx: sa.Connection, job: Job, plan: FiringPlan, now: datetime) -> bool:
    """End a pause whose time has come, and note that nobody did it."""
    ended = end(tx, job, plan, now)
    if ended:
        was = {"state": job.state, "reason": job.reason, "paused_until": rfc3339(job.paused_until or now)}
        subject, after = of_job(job.id), {"state": JobState.ACTIVE}
        resumed = trail.Entry(at=now, who=ENGINE, what=What.JOB_RESUMED, subject=subject, before=was, after=after)
        trail.insert(tx, resumed)
    return ended


def end(tx: sa.Connection, job: Job, plan: FiringPlan, now: datetime) -> bool:
    """Let a paused job fire again, and record what the pause held back; whether it still stood as it was read."""
    values = {"version_": job.version, "next_": micros(plan.next_run_time), "now_": to_micros(now)}
    if END.run(tx, key_=job.key, **values) != 1:
        return False  # somebody changed or resumed it meanwhile
    wake_others(tx)
    firing.insert_missed(tx, job, plan.missed, now)
    if plan.next_run_time is None:
        finish_idle(tx, [job.key])
    return True
