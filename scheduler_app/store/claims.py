"""Claim: a queued run becomes running, with an engine and a token that every later write must carry."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.firing import NO_RUNS, Places
from scheduler_app.domain.policy import Delivery, Executor
from scheduler_app.domain.run import Claim, ParentRun, Reason, RunState
from scheduler_app.store.following import parents
from scheduler_app.store.lanes import wake_others
from scheduler_app.store.places import ADOPT, BLOCK, QUEUE, locked, places_of, readmit
from scheduler_app.store.statement import Among, Statement, still
from scheduler_app.store.tables import jobs, runs

CANDIDATE = (
    runs.c.id,
    runs.c.job_key,
    runs.c.job_id,
    runs.c.task,
    runs.c.args,
    runs.c.kwargs,
    runs.c.origin,
    runs.c.scheduled_at,
    runs.c.ready_at,
    runs.c.attempt,
    runs.c.max_attempts,
    runs.c.crashes,
    runs.c.suspicions,
    runs.c.priority,
    runs.c.concurrency_key,
    runs.c.timeout,
    runs.c.delivery,
    runs.c.retry,
    runs.c.first_run,
    runs.c.parent_run,
)
CANDIDATES = Statement(
    sa.select(*CANDIDATE)
    .where(
        sa.text("state = 'queued'"),
        runs.c.executor == sa.bindparam("executor"),
        Among(runs.c.task, "tasks"),
    )
    .order_by(runs.c.priority.desc(), runs.c.ready_at, runs.c.id)
    .limit(sa.bindparam("most"))
    # what another program has locked is not waited for
    .with_for_update(skip_locked=True)
)
THIS = Statement(
    sa.select(*CANDIDATE).where(
        runs.c.id == sa.bindparam("run"), sa.text("state = 'queued'"), Among(runs.c.task, "tasks")
    )
)
TAKEN = Statement(
    sa.select(*CANDIDATE, runs.c.token, runs.c.alone, runs.c.started_at).where(
        runs.c.id == sa.bindparam("run"), sa.text("state = 'running'"), runs.c.attempt == sa.bindparam("attempt")
    )
)
TAKE = Statement(
    runs.update()
    .where(runs.c.id == sa.bindparam("id_"), still(runs.c.state, RunState.QUEUED))
    .values(
        state=RunState.RUNNING,
        reason=None,
        engine=sa.bindparam("engine_"),
        token=sa.bindparam("token_"),
        alone=sa.bindparam("alone_"),
        attempt=runs.c.attempt + 1,
        started_at=sa.bindparam("now_"),
        finished_at=None,
    ),
    named=("id_",),
)
GIVE_BACK = Statement(
    runs.update()
    .where(
        runs.c.id == sa.bindparam("id_"), runs.c.token == sa.bindparam("token_"), still(runs.c.state, RunState.RUNNING)
    )
    .values(state=RunState.QUEUED, attempt=runs.c.attempt - 1, engine=None, token=None, started_at=None, alone=False)
)
READY = Statement(
    sa.select(
        runs.c.id,
        runs.c.job_key,
        runs.c.concurrency_key.label("old"),
        sa.case((jobs.c.key.is_(None), runs.c.concurrency_key), else_=jobs.c.concurrency_key).label("key"),
        sa.func.coalesce(jobs.c.max_instances, 1).label("most"),
    )
    .select_from(runs.outerjoin(jobs, jobs.c.key == runs.c.job_key))
    .where(
        sa.text("scheduler_runs.state = 'scheduled' AND scheduler_runs.reason <> 'blocked'"),
        runs.c.ready_at <= sa.bindparam("now"),
    )
    .order_by(runs.c.ready_at)
    .limit(250)
)
NEXT_READY = Statement(
    sa.select(runs.c.ready_at)
    .where(sa.text("state = 'scheduled' AND reason <> 'blocked'"))
    .order_by(runs.c.ready_at)
    .limit(1)
)
HIGHEST = Statement(
    sa.select(runs.c.priority)
    .where(sa.text("state = 'queued'"), runs.c.executor == sa.bindparam("executor"), Among(runs.c.task, "tasks"))
    .order_by(runs.c.priority.desc(), runs.c.ready_at, runs.c.id)
    .limit(1)
)
HELD_BY = Statement(
    sa.select(runs.c.id, runs.c.token).where(sa.text("state = 'running'"), runs.c.engine == sa.bindparam("engine"))
)
CANCELS = Statement(
    sa.select(runs.c.id, runs.c.reason).where(
        sa.text("state = 'running'"), runs.c.engine == sa.bindparam("engine"), runs.c.cancel_requested.is_(True)
    )
)
ALONE = Statement(
    sa.select(runs.c.engine, runs.c.suspicions, runs.c.ready_at).where(
        sa.text("state = 'running'"), runs.c.engine > 0, runs.c.alone.is_(True)
    )
)
SHARE = Statement(
    runs.update()
    .where(sa.text("state = 'running'"), runs.c.engine == sa.bindparam("engine_"), runs.c.alone.is_(True))
    .values(alone=False)
)


def promote(tx: sa.Connection, now: datetime) -> None:
    """Queue the runs whose wait is over; those whose job is full, or whose key is held, wait for that."""
    ready = READY.rows(tx, now=to_micros(now))
    if not ready:
        return
    places = places_of(tx, list({row.job_key for row in ready}))
    held = locked(tx, {row.key for row in ready})
    ADOPT.many(tx, [{"id_": row.id, "key_": row.key} for row in ready if row.key != row.old])
    for row in ready:
        taken = places.get(row.job_key, NO_RUNS).taken
        if taken < row.most and row.key not in held:
            places[row.job_key] = Places(taken=taken + 1, waiting=0)
            held |= {row.key} - {None}
            QUEUE.run(tx, id_=row.id, now=to_micros(now))
        else:
            BLOCK.run(tx, id_=row.id, key_=row.key)


def candidates(tx: sa.Connection, tasks: Collection[str], *, executor: str, limit: int) -> Sequence[sa.Row[Any]]:
    """Return queued runs in the order in which they should start, to be claimed in this transaction."""
    if not tasks or limit <= 0:
        return []
    return CANDIDATES.rows(tx, tasks=list(tasks), executor=executor, most=limit)


def candidate(tx: sa.Connection, run_id: int, tasks: Collection[str]) -> Any | None:
    """Return a run if it is queued and of one of these tasks, to be claimed in this transaction."""
    return next(iter(THIS.rows(tx, run=run_id, tasks=list(tasks))), None)


def taken(tx: sa.Connection, run_id: int, attempt: int) -> tuple[Claim, datetime] | None:
    """Return the claim under which an attempt executes and when it began; None when it does not execute any more."""
    row = next(iter(TAKEN.rows(tx, run=run_id, attempt=attempt)), None)
    if row is None:
        return None
    claim = _claim(row, token=row.token, alone=row.alone, executor=Executor.CELERY)
    return replace(claim, attempt=row.attempt), from_micros(row.started_at)


def is_any_queued(tx: sa.Connection, tasks: Collection[str], *, executor: str) -> bool:
    """Whether a run of these tasks waits to be claimed."""
    return HIGHEST.scalar(tx, tasks=list(tasks), executor=executor) is not None


def take(
    tx: sa.Connection,
    rows: Sequence[sa.Row[Any]],
    *,
    engine: int,
    token: int,
    alone: bool,
    now: datetime,
    executor: Executor = Executor.THREAD,
) -> list[Claim]:
    """Claim these candidates of one executor, in the transaction that found them."""
    if not rows:
        return []
    constant = {"engine_": engine, "token_": token, "alone_": alone, "now_": to_micros(now)}
    TAKE.many(tx, [{"id_": row.id, **constant} for row in rows])
    caused_by = parents(tx, [row.parent_run for row in rows if row.parent_run is not None])
    return [
        _claim(row, token=token, alone=alone, executor=executor, parent=caused_by.get(row.parent_run)) for row in rows
    ]


def _claim(
    row: sa.Row[Any], *, token: int, alone: bool, executor: Executor = Executor.THREAD, parent: ParentRun | None = None
) -> Claim:
    return Claim(
        run_id=row.id,
        token=token,
        job_key=row.job_key,
        job_id=row.job_id,
        task=row.task,
        args=row.args,
        kwargs=row.kwargs,
        origin=row.origin,
        scheduled_at=from_micros(row.scheduled_at),
        ready_at=from_micros(row.ready_at),
        attempt=row.attempt + 1,
        max_attempts=row.max_attempts,
        crashes=row.crashes,
        suspicions=row.suspicions,
        alone=alone,
        priority=row.priority,
        concurrency_key=row.concurrency_key,
        timeout=row.timeout,
        delivery=Delivery(row.delivery),
        retry=row.retry,
        first_run=row.first_run or row.id,
        parent=parent,
        executor=executor,
    )


def give_back(tx: sa.Connection, held: Collection[tuple[int, int]], now: datetime) -> None:
    """Return claims that did not start, named by run id and token, without charging an attempt."""
    if not held:
        return
    wake_others(tx)
    GIVE_BACK.many(tx, [{"id_": run_id, "token_": token} for run_id, token in held])
    readmit(tx, [run_id for run_id, _ in held], now)


def held_by(tx: sa.Connection, engine: int) -> set[tuple[int, int]]:
    """Return the claims of an engine: pairs of run id and token."""
    return {(row.id, row.token) for row in HELD_BY.rows(tx, engine=engine)}


def alone_elsewhere(tx: sa.Connection, engine: int) -> list[tuple[int, datetime]]:
    """Return the suspicions, and since when it could start, of each run that is alone in another engine."""
    return [(row.suspicions, from_micros(row.ready_at)) for row in ALONE.rows(tx) if row.engine != engine]


def holdings(tx: sa.Connection) -> dict[int, dict[str, int]]:
    """Return how many runs each engine holds, by executor, those included that wait for a slot of it."""
    number = sa.func.count().label("number")
    running = sa.select(runs.c.engine, runs.c.executor, number).where(sa.text("state = 'running'"), runs.c.engine > 0)
    held: dict[int, dict[str, int]] = {}
    for row in tx.execute(running.group_by(runs.c.engine, runs.c.executor)):
        held.setdefault(row.engine, {})[row.executor] = int(row.number)
    return held


def share(tx: sa.Connection, engine: int) -> None:
    """Note that no run of an engine is alone in it any more."""
    SHARE.run(tx, engine_=engine)


def cancel_requests(tx: sa.Connection, engine: int) -> list[tuple[int, str]]:
    """Return the runs of an engine that are to stop, and why."""
    return [(row.id, row.reason or Reason.REQUESTED) for row in CANCELS.rows(tx, engine=engine)]


def queued_references(tx: sa.Connection) -> set[str]:
    """Return the names of queued runs' tasks that are references to functions, `package.module:function`."""
    return set(tx.execute(sa.select(runs.c.task).where(sa.text("state = 'queued' AND task LIKE '%:%'"))).scalars())


def kept_references(tx: sa.Connection) -> set[str]:
    """Return the names of jobs' tasks that are references to functions."""
    return set(tx.execute(sa.select(jobs.c.task).distinct().where(jobs.c.task.contains(":"))).scalars())


def backlog(tx: sa.Connection) -> int:
    """Return how many runs are queued."""
    return int(tx.execute(sa.select(sa.func.count()).select_from(runs).where(sa.text("state = 'queued'"))).scalar_one())
