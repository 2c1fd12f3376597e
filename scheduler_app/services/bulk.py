"""Many jobs in one call: each has a result of its own, and the fault of one does not stop the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.after import parent_of, parents_first
from scheduler_app.domain.job import Job, JobSpec
from scheduler_app.domain.run import Run
from scheduler_app.errors import SchedulerError
from scheduler_app.services import jobs as use_cases
from scheduler_app.services.admission import admit
from scheduler_app.services.context import Context
from scheduler_app.signals import Bus, Event
from scheduler_app.store import jobs, orders

MOST_JOBS = 1000
TOGETHER = 100

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
        range(len(admitted)), key=lambda at: _id(admitted[at]), parent=lambda at: _parent(admitted[at])
    )

    def work(tx: sa.Connection) -> list[Added]:
        done = {at: _inserted(tx, *prepared[at], now=now, ctx=ctx) for at in order}
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


def _parent(job: Added) -> str | None:
    return parent_of(job.trigger) if isinstance(job, Job) else None


def _inserted(tx: sa.Connection, job: Added, values: dict[str, Any], *, now: datetime, ctx: Context) -> Added:
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
