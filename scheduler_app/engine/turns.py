"""Turns: where few jobs crowd a queue, or few tasks do, every other place goes to runs of others.

Only among runs of one priority, and only where nearly the whole beginning of the queue belongs to so few: in a
shorter or a mixed one, who was ready first starts first. Whose turn it is goes round, so that each comes to it in
bounded time.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import Clock
from scheduler_app.store import queues
from scheduler_app.store.queues import IsWanted, Queue

BEGINNING = 20
NEARLY_ALL = 0.75
# of runs that one-offs make, each is a job of its own; of few tasks there are often only few
FEW_TASKS = 4
FEW_JOBS = BEGINNING // 2
MOST_TASKS = 16
MOST_JOBS = 32
LOOK_EVERY = 0.05


class Turns:
    """Picks the runs of a queue that come next. Looks for others only now and then as long as there are none."""

    def __init__(self, queue: Queue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._look_at = float("-inf")
        self._others_first = False
        self._after = self._task = 0

    def pick(self, tx: sa.Connection, read: Callable[[int], list[Any]], is_wanted: IsWanted, most: int) -> list[Any]:
        """Return at most so many runs of the wanted tasks, which `read` gives from the beginning of the queue."""
        if self._clock.monotonic() < self._look_at:
            return read(most)
        runs = read(max(most, BEGINNING))
        line = [run for run in runs if run.priority == runs[0].priority]
        crowd, others = self._parted(tx, is_wanted, line, most)
        if not others:
            self._look_at = self._clock.monotonic() + LOOK_EVERY
            return runs[:most]
        self._others_first = not self._others_first
        in_turns = _alternating(*((others, crowd) if self._others_first else (crowd, others)))
        return [*in_turns, *runs[len(line) :]][:most]

    def _parted(
        self, tx: sa.Connection, is_wanted: IsWanted, line: Sequence[Any], most: int
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return the runs of those who crowd a line, and those of others: found behind it, and in it."""
        jobs, tasks = _crowd(line, lambda run: run.job_key, FEW_JOBS), _crowd(line, lambda run: run.task, FEW_TASKS)
        if not jobs and not tasks:
            return line, ()
        crowd = [run for run in line if (run.job_key in jobs if jobs else run.task in tasks)]
        inside = [run for run in line if not (run.job_key in jobs if jobs else run.task in tasks)]
        return crowd, [*self._others(tx, is_wanted, line, jobs, most), *inside]

    def _others(
        self, tx: sa.Connection, is_wanted: IsWanted, line: Sequence[Any], crowd: Collection[int], most: int
    ) -> Iterator[Any]:
        """Return runs of the same priority that are not in line: of other tasks, and where jobs crowd it, of others."""
        seen, priority = {run.task for run in line}, line[0].priority
        tasks = self._next_tasks(queues.waiting(tx, self._queue, lambda task: task not in seen and is_wanted(task)))
        for task in tasks:
            share = max(1, most // len(tasks))
            yield from (run for run in queues.of_task(tx, self._queue, task, share) if run.priority == priority)
        if crowd:
            known = {run.id for run in line}
            for job in self._next_jobs(tx):
                if job not in crowd:
                    of_job = queues.of_job(tx, self._queue, job, priority)
                    yield from (run for run in of_job if run.task in seen and run.id not in known)

    def _next_tasks(self, waiting: Sequence[str]) -> Sequence[str]:
        """Return the tasks whose turn it is to be looked at."""
        if len(waiting) > MOST_TASKS:
            self._task = (self._task + MOST_TASKS) % len(waiting)
        return [*waiting[self._task :], *waiting[: self._task]][:MOST_TASKS]

    def _next_jobs(self, tx: sa.Connection) -> list[int]:
        """Return the jobs whose turn it is to be looked at."""
        jobs = queues.jobs_after(tx, self._after, MOST_JOBS)
        self._after = jobs[-1] if len(jobs) == MOST_JOBS else 0
        return jobs


def _crowd(line: Sequence[Any], group: Callable[[Any], Any], few: int) -> set[Any]:
    """Return the few groups, of several runs each, to which nearly all of a line's beginning belongs; or none."""
    largest = Counter(map(group, line[:BEGINNING])).most_common(few)
    crowd = {name: size for name, size in largest if size > 1}
    return set(crowd) if sum(crowd.values()) >= NEARLY_ALL * BEGINNING else set()


def _alternating(first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    return [run for run in chain.from_iterable(zip_longest(first, second)) if run is not None]
