"""The places of a job: `max_instances` runs may execute or stand in the queue, the others wait, blocked."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.firing import Places
from scheduler_app.domain.run import Reason, RunState
from scheduler_app.store.statement import Among, Statement
from scheduler_app.store.tables import jobs, runs

COUNT = Statement(
    sa.select(
        runs.c.job_key,
        sa.func.sum(sa.case((runs.c.state == RunState.SCHEDULED, 0), else_=1)).label("taken"),
        sa.func.sum(sa.case((runs.c.reason == Reason.BLOCKED, 1), else_=0)).label("waiting"),
        sa.func.sum(sa.case((runs.c.reason == Reason.JITTER, 1), else_=0)).label("coming"),
    )
    .where(
        Among(runs.c.job_key, "keys"),
        sa.text("state IN ('scheduled', 'queued', 'running')"),
    )
    .group_by(runs.c.job_key)
)
BLOCKED = Statement(
    sa.select(runs.c.id, runs.c.job_key, sa.func.coalesce(jobs.c.max_instances, 1).label("most"))
    .select_from(runs.outerjoin(jobs, jobs.c.key == runs.c.job_key))
    .where(
        Among(runs.c.job_key, "keys"),
        sa.text("scheduler_runs.state IN ('scheduled', 'queued', 'running')"),
        sa.text("scheduler_runs.state = 'scheduled' AND scheduler_runs.reason = 'blocked'"),
    )
    .order_by(runs.c.job_key, runs.c.priority.desc(), runs.c.ready_at, runs.c.id)
)
QUEUE = Statement(
    runs.update()
    .where(runs.c.id == sa.bindparam("id_"), runs.c.state == RunState.SCHEDULED)
    .values(state=RunState.QUEUED, reason=None, queued_at=sa.bindparam("now"))
)


def places_of(tx: sa.Connection, keys: Sequence[int]) -> dict[int, Places]:
    """Return how full each of these jobs is; a job without open runs is left out."""
    if not keys:
        return {}
    rows = COUNT.rows(tx, keys=list(keys))
    return {row.job_key: Places(taken=row.taken, waiting=row.waiting, coming=row.coming) for row in rows}


def unblock(tx: sa.Connection, keys: Iterable[int], now: datetime) -> None:
    """Queue waiting runs of these jobs as far as there are places."""
    wanted = list(set(keys))
    blocked = BLOCKED.rows(tx, keys=wanted) if wanted else []
    if not blocked:
        return
    taken = {key: places.taken for key, places in places_of(tx, wanted).items()}
    for row in blocked:
        if taken.get(row.job_key, 0) < row.most:
            taken[row.job_key] = taken.get(row.job_key, 0) + 1
            QUEUE.run(tx, id_=row.id, now=to_micros(now))
