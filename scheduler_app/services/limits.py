"""Limits as people see them: what is used, what waits, and until when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import rfc3339
from scheduler_app.domain.run import Run, RunState
from scheduler_app.domain.task import Task
from scheduler_app.services.context import Context
from scheduler_app.services.runs import find
from scheduler_app.store import limits


@dataclass(frozen=True, kw_only=True)
class LimitView:
    """A limit, of the task or executor of this name; `free_at` is when a used-up rate lets something start again."""

    kind: str
    name: str
    limit: str
    used: int
    is_used_up: bool
    waiting: int
    free_at: datetime | None

    def __str__(self) -> str:
        by_then = "" if self.free_at is None else f"; the next start is free at {rfc3339(self.free_at)}"
        return f"{self.kind} {self.limit} of {self.name} is used up{by_then}"


def view_limits(tx: sa.Connection, now: datetime, *, ctx: Context) -> list[LimitView]:
    """Return every limit, of executors and of the tasks that this process has registered."""
    of_tasks = [view for task in ctx.registry.limited.values() for view in _of_task(tx, task, now)]
    return [*_of_executors(tx, ctx), *sorted(of_tasks, key=lambda view: view.name)]


def view_run(run_id: int, *, ctx: Context) -> tuple[Run, str | None]:
    """Return a run, and which limit keeps it from starting, if one does; NotFound when there is none."""
    with ctx.database.read() as tx:
        run = find(tx, run_id)
        return run, _hindrance(tx, run, ctx) if run.state is RunState.QUEUED else None


def _hindrance(tx: sa.Connection, run: Run, ctx: Context) -> str | None:
    task = ctx.registry.limited.get(run.task)
    of_task = [] if task is None else list(_of_task(tx, task, ctx.clock.now()))
    of_executor = [view for view in _of_executors(tx, ctx) if view.name == run.executor]
    return next((str(view) for view in (*of_task, *of_executor) if view.is_used_up), None)


def _of_task(tx: sa.Connection, task: Task, now: datetime) -> Iterator[LimitView]:
    waiting = limits.waiting_of_task(tx, task.name)
    if (rate := task.rate_limit) is not None:
        used = rate.starts - limits.starts_left(tx, task.name, rate, now)
        yield LimitView(
            kind="rate_limit",
            name=task.name,
            limit=str(rate),
            used=used,
            is_used_up=used >= rate.starts,
            waiting=waiting,
            free_at=limits.next_start(tx, task.name, rate, now),
        )
    if task.max_running is not None:
        used = limits.running_of_task(tx, task.name)
        yield _at_once("max_running", task.name, task.max_running, used, waiting)


def _of_executors(tx: sa.Connection, ctx: Context) -> Iterator[LimitView]:
    for executor, most in ctx.limits.items():
        used, waiting = limits.running_of_executor(tx, executor), limits.waiting_of_executor(tx, executor)
        yield _at_once("executor_limits", executor, most, used, waiting)


def _at_once(kind: str, name: str, most: int, used: int, waiting: int) -> LimitView:
    return LimitView(
        kind=kind, name=name, limit=str(most), used=used, is_used_up=used >= most, waiting=waiting, free_at=None
    )
