"""The line in which the runs of an executor wait, as an engine claims from it and the publisher publishes.

Of a limited task no more are taken than may start, and where somebody crowds the line it is taken from in turns.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import Clock
from scheduler_app.engine.limiting import Ahead, Hold, Limiter, nothing_ahead
from scheduler_app.engine.turns import Turns
from scheduler_app.store import queues
from scheduler_app.store.queues import IsWanted, Queue

# the tasks to take from it; None: whatever waits there
Names = Collection[str] | None


class Line:
    """Where the runs of one executor wait; `ahead` tells how many of a task have been taken and do not run yet."""

    def __init__(self, queue: Queue, limiter: Limiter, clock: Clock, ahead: Ahead = nothing_ahead) -> None:
        self._queue = queue
        self._limiter = limiter
        self._turns = Turns(queue, clock)
        self._ahead = ahead

    def highest(self, tx: sa.Connection, names: Names, now: datetime) -> int | None:
        """Return the highest priority of what waits and is not held back; None when nothing does."""
        held = self._limiter.holds(now)
        if held:
            return queues.highest_by_task(tx, self._queue, _wanted(names, held))
        return queues.highest(tx, self._queue, names or ())

    def first(self, tx: sa.Connection, names: Names, most: int, now: datetime) -> tuple[list[Any], dict[str, Hold]]:
        """Return the runs that start next, of a limited task no more than may, and the tasks of which none may."""
        held, used_up, allowed = set(self._limiter.holds(now)), dict[str, Hold](), list[Any]()
        while True:
            runs = self._pick(tx, names, held, most)
            exceeded = self._limiter.exceeded(tx, runs, now, self._ahead)
            if not exceeded:
                break
            for task, (left, hold) in exceeded.items():
                allowed += [run for run in runs if run.task == task][:left]
                if left == 0:
                    used_up[task] = hold
            held |= exceeded.keys()
        return (sorted([*allowed, *runs], key=queues.starting)[:most] if allowed else runs), used_up

    def _pick(self, tx: sa.Connection, names: Names, held: Collection[str], most: int) -> list[Any]:
        return self._turns.pick(tx, lambda number: self._read(tx, names, held, number), _wanted(names, held), most)

    def _read(self, tx: sa.Connection, names: Names, held: Collection[str], most: int) -> list[Any]:
        """Return the first runs; past those that are held back, which may be many, by what each task has queued."""
        if held:
            return queues.by_task(tx, self._queue, _wanted(names, held), most)
        return queues.in_order(tx, self._queue, names or (), most)


def _wanted(names: Names, held: Collection[str]) -> IsWanted:
    return lambda task: task not in held and (names is None or task in names)
