"""Turns: where one job crowds a queue, or one task does, every other place goes to runs of others.

Only among runs of the same priority, and only where the whole beginning of the queue belongs to so few: in a shorter
or a mixed one, who was ready first starts first. Whose turn it is goes round: each comes to it within bounded time.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import Clock
from scheduler_app.store import queues
from scheduler_app.store.queues import IsWanted, Queue

BEGINNING = 64
FEW = 4
MOST_JOBS = 32
LOOK_EVERY = 0.05


class Turns:
    """Picks the runs of a queue that come next. Looks for others only now and then as long as there are none."""

    def __init__(self, queue: Queue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._look_at = float("-inf")
        self._others_first = False
        self._after = 0

    def pick(self, tx: sa.Connection, read: Callable[[int], list[Any]], is_wanted: IsWanted, most: int) -> list[Any]:
        """Return at most so many runs of the wanted tasks, which `read` gives from the beginning of the queue."""
        if most <= 0 or self._clock.monotonic() < self._look_at:
            return read(most)
        runs = read(max(most, BEGINNING))
        others = list(self._others(tx, is_wanted, runs, most)) if _is_crowded(runs) else []
        if not others:
            self._look_at = self._clock.monotonic() + LOOK_EVERY
            return runs[:most]
        self._others_first = not self._others_first
        return _alternating(*((others, runs) if self._others_first else (runs, others)))[:most]

    def _others(self, tx: sa.Connection, is_wanted: IsWanted, runs: Sequence[Any], most: int) -> Iterator[Any]:
        """Return runs of the same priority whose job, and whose task if that is it, is not among those that crowd."""
        crowd, priority = {run.task for run in runs}, runs[0].priority
        if len(crowd) <= FEW:
            waiting = queues.waiting(tx, self._queue, lambda task: task not in crowd and is_wanted(task))
            for task in waiting:
                share = max(1, most // len(waiting))
                yield from (run for run in queues.of_task(tx, self._queue, task, share) if run.priority == priority)
        crowding = {run.job_key for run in runs}
        if len(crowding) <= FEW:
            for job in self._next_jobs(tx):
                if job not in crowding:
                    of_job = queues.of_job(tx, self._queue, job, priority)
                    yield from (run for run in of_job if run.task in crowd)

    def _next_jobs(self, tx: sa.Connection) -> list[int]:
        """Return the jobs whose turn it is to be looked at."""
        jobs = queues.jobs_after(tx, self._after, MOST_JOBS)
        self._after = jobs[-1] if len(jobs) == MOST_JOBS else 0
        return jobs


def _is_crowded(runs: Sequence[Any]) -> bool:
    if len(runs) < BEGINNING or runs[0].priority != runs[-1].priority:
        return False
    return len({run.task for run in runs}) <= FEW or len({run.job_key for run in runs}) <= FEW


def _alternating(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    return [run for run in chain.from_iterable(zip_longest(first, second)) if run is not None]
