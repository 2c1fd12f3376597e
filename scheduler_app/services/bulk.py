"""Many jobs in one call: each has a result of its own, and the fault of one does not stop the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.after import parents_first
from scheduler_app.domain.job import Job, JobSpec
from scheduler_app.domain.run import Run
from scheduler_app.errors import SchedulerError
from scheduler_app.failpoints import failpoint
from scheduler_app.services import jobs as use_cases
from scheduler_app.services.admission import admit
from scheduler_app.services.context import Context
from scheduler_app.services.trail import noting
from scheduler_app.signals import Bus, Event
from scheduler_app.store import jobs, orders

MOST_JOBS = 1000
TOGETHER = 100

Values = dict[str, Any]
Added = Job | SchedulerError
Done = Job | Run | SchedulerError | None
Action = Callable[[str, Context], Job | Run | None]


@dataclass(frozen=True, kw_only=True)
class Acted:
    """What became of each id, and how many jobs there were to act on; more than 1,000 need another call."""

    matched: int
    results: list[tuple[str, Done]]


def create_jobs(specs: Sequence[JobSpec | SchedulerError], *, ctx: Context) -> list[Added]:
    """Add up to 1,000 jobs in one transaction; what was refused before stays refused, in its place."""
    now = ctx.clock.now()
    admitted = [_admitted(spec, ctx, now) for spec in specs]
    prepared = [(item, jobs.values_of(item) if isinstance(item, Job) else {}) for item in admitted]
    # a job may come after one that stands behind it in the list
    order = parents_first(
        range(len(admitted)), key=lambda at: _id(admitted[at]), parent=lambda at: prepared[at][1].get("after_job")
    )

    def work(tx: sa.Connection) -> list[Added]:
        done: dict[int, Added] = {}
        for are_timed, some in groupby(order, key=lambda at: _is_timed(prepared[at][1])):
            places = list(some)
            write = _insert_timed if are_timed else _insert_one_by_one
            done.update(zip(places, write(tx, [prepared[at] for at in places], now=now, ctx=ctx), strict=True))
        return [done[at] for at in range(len(order))]

    added = ctx.database.write(work)
    for item in added:
        if isinstance(item, Job):
            use_cases.told(ctx, item, "added", now)
    return added


def _admitted(spec: JobSpec | SchedulerError, ctx: Context, now: datetime) -> Added:
    try:
        return spec if isinstance(spec, SchedulerError) else admit(spec, ctx.registry, now)
    except SchedulerError as error:
        return error


def _id(job: Added) -> str:
    return job.id if isinstance(job, Job) else ""


def _is_timed(values: Values) -> bool:
    """Whether it is a job that fires at times: all that is to be written of it is its row."""
    return values.get("trigger_type") is not None and values["after_job"] is None


def _insert_timed(tx: sa.Connection, some: Sequence[tuple[Any, Values]], *, now: datetime, ctx: Context) -> list[Added]:
    """Write jobs that fire at times all at once, and who added them."""
    note, keys = noting(tx, ctx, now), jobs.insert_all(tx, some)
    added: list[Added] = []
    for (job, _), key in zip(some, keys, strict=True):
        if key is None:
            added.append(use_cases.taken(job.id))
        else:
            note.job_created(job)
            added.append(job.stored(key, None))
    failpoint("add.before_commit")
    return added


def _insert_one_by_one(
    tx: sa.Connection, some: Sequence[tuple[Added, Values]], *, now: datetime, ctx: Context
) -> list[Added]:
    return [_inserted(tx, job, values, now=now, ctx=ctx) for job, values in some]


def _inserted(tx: sa.Connection, job: Added, values: Values, *, now: datetime, ctx: Context) -> Added:
    try:
        return job if isinstance(job, SchedulerError) else use_cases.create(tx, job, values, now=now, ctx=ctx)
    except SchedulerError as error:
        return error


def act_on_ids(ids: Sequence[str], action: Action, *, ctx: Context) -> Acted:
    """Act on the jobs of these ids, in their order; an id that is given twice counts once."""
    wanted = list(dict.fromkeys(ids))
    return Acted(matched=len(wanted), results=_act(wanted, action, ctx))


def act_on_matching(where: jobs.JobFilter, action: Action, *, ctx: Context) -> Acted:
    """Act on the first 1,000 jobs, by id, that a filter lets through."""
    with ctx.database.read() as tx:
        matched = jobs.count(tx, where)
        found = [job.id for job, _ in orders.page(tx, where, after=None, limit=MOST_JOBS)]
    return Acted(matched=matched, results=_act(found, action, ctx))


def _act(ids: Sequence[str], action: Action, ctx: Context) -> list[tuple[str, Done]]:
    """Act in transactions of 100, so that no other writer waits long."""
    results: list[tuple[str, Done]] = []
    rest = iter(ids)
    while some := list(islice(rest, TOGETHER)):
        done, events = ctx.database.write(lambda tx, some=some: _act_within(tx, some, action, ctx))  # type: ignore[misc]
        results += done
        for event in events:
            ctx.bus.publish(event)
        ctx.wake()
    return results


def _act_within(
    tx: sa.Connection, ids: Sequence[str], action: Action, ctx: Context
) -> tuple[list[tuple[str, Done]], list[Event]]:
    events: list[Event] = []
    bus = Bus()
    bus.subscribe(events.append)
    inner = ctx.within(tx, bus)
    return [(job_id, _done(action, job_id, inner)) for job_id in ids], events


def _done(action: Action, job_id: str, ctx: Context) -> Done:
    try:
        return action(job_id, ctx)
    except SchedulerError as error:
        return error
