"""Limits as an engine keeps them: what it may claim of each task and executor, and what it leaves where it is.

A limit that is used up is remembered until it may be free, so that nothing looks for it in between; what is remembered
only spares looks, since each claim counts anew.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.choosing import Room
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Claim
from scheduler_app.domain.task import Registry, Task
from scheduler_app.store import limits

LOOK_AGAIN = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """A task of which nothing may start until then; `is_known`: by the clock, else perhaps before."""

    since: datetime
    until: datetime
    is_known: bool


Holds = Mapping[str, Hold]
NO_HOLDS: Holds = {}


Ahead = Callable[[sa.Connection, str], int]


def nothing_ahead(_tx: sa.Connection, _task: str) -> int:
    """Say that nothing has been taken."""
    return 0


class Limiter:
    """The limits of one engine: those of its tasks, and `executors`, how many runs of each execute at once."""

    def __init__(
        self, registry: Registry, executors: Mapping[Executor, int], look_again: timedelta = LOOK_AGAIN
    ) -> None:
        self._registry = registry
        self._executors = executors
        self._look_again = look_again
        self._holds: dict[str, Hold] = {}

    def holds(self, now: datetime) -> Holds:
        """Return the tasks of which nothing may start."""
        if self._holds:
            self._holds = {task: hold for task, hold in self._holds.items() if hold.since <= now < hold.until}
        return self._holds

    def remember(self, holds: Holds) -> None:
        """Leave these tasks alone for as long; what holds them back is committed."""
        self._holds |= holds

    def release(self, tasks: Iterable[str]) -> None:
        """Look at these tasks anew: runs of them have ended."""
        if self._holds:
            for task in tasks:
                self._holds.pop(task, None)

    def next_at(self, now: datetime, more: Holds) -> datetime | None:
        """Return when something may start that may not now."""
        if not (self._holds or more):
            return None
        held = (*self.holds(now).values(), *more.values())
        return min((hold.until for hold in held if hold.is_known), default=None)

    def limits(self, executor: Executor, tasks: Collection[str] = ()) -> bool:
        """Whether an executor has a limit, or any of these tasks."""
        return executor in self._executors or not self._registry.limited.keys().isdisjoint(tasks)

    def room(self, tx: sa.Connection, executor: Executor, room: Room) -> Room:
        """Return what may be taken of what could be; what is limited is not claimed ahead of a free slot."""
        limited = self._registry.limited
        if limited:
            room = replace(room, durations={t: usual for t, usual in room.durations.items() if t not in limited})
        left = self.places(tx, executor)
        return room if left is None else replace(room, free=max(0, min(room.free, left)), durations={})

    def places(self, tx: sa.Connection, executor: Executor) -> int | None:
        """Return how many more runs an executor may execute; None when it has no limit."""
        if executor not in self._executors:
            return None
        return max(0, self._executors[executor] - limits.running_of_executor(tx, executor))

    def hold(self, tx: sa.Connection, run: Any, executor: Executor, now: datetime) -> datetime | None:
        """Return until when a queued run may not start; None when it may."""
        if self.places(tx, executor) == 0:
            return now + self._look_again
        return next((hold.until for _, hold in self.exceeded(tx, [run], now).values()), None)

    def exceeded(
        self, tx: sa.Connection, runs: Sequence[Any], now: datetime, ahead: Ahead = nothing_ahead
    ) -> dict[str, tuple[int, Hold]]:
        """Return the tasks of which fewer may start than wait here: how many, and until when none may more.

        `ahead` tells how many of a task have been taken for a start that is to come.
        """
        limited = self._registry.limited
        if not limited:
            return {}
        wanted = Counter(run.task for run in runs)
        left = {task: self._left(tx, limited[task], now, ahead) for task in wanted.keys() & limited.keys()}
        return {task: (number, hold) for task, (number, hold) in left.items() if number < wanted[task]}

    def _left(self, tx: sa.Connection, task: Task, now: datetime, ahead: Ahead) -> tuple[int, Hold]:
        """Return how many runs of a task may start now, and until when none may if that is none."""
        hold, numbers = Hold(since=now, until=now + self._look_again, is_known=False), []
        if task.rate_limit is not None:
            numbers.append(limits.starts_left(tx, task.name, task.rate_limit, now))
            if numbers[0] == 0:
                limits.come_down(tx, task.name, now)
                until = limits.next_start(tx, task.name, task.rate_limit, now) or now
                hold = Hold(since=now, until=until, is_known=True)
        if task.max_running is not None:
            numbers.append(task.max_running - limits.running_of_task(tx, task.name))
        return max(0, min(numbers) - ahead(tx, task.name)), hold

    def uncount(self, tx: sa.Connection, held: Collection[tuple[int, int]]) -> None:
        """Do not count the starts of claims that are given back before they began."""
        if held and self._registry.limited:
            limits.uncount(tx, held)

    def count(self, tx: sa.Connection, claims: Sequence[Claim], now: datetime) -> list[Claim]:
        """Count the starts that claims make, in their transaction."""
        limited = self._registry.limited
        if not any(claim.task in limited for claim in claims):
            return list(claims)
        rates = {task.name: task.rate_limit for task in limited.values() if task.rate_limit is not None}
        claims = [replace(claim, is_counted=claim.task in rates) for claim in claims]
        counted = sorted((claim for claim in claims if claim.is_counted), key=lambda claim: claim.task)
        for task, group in groupby(counted, key=lambda claim: claim.task):
            limits.count_starts(tx, list(group), rates[task], now)
        return claims
