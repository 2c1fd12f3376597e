"""How the tests of the engine look at runs: through the services, on simulated time."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pytest

from scheduler_app import Scheduler
from scheduler_app.domain.job import Job
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Run
from scheduler_app.engine.context import EngineContext
from scheduler_app.engine.engine import Engine
from scheduler_app.engine.pool import ThreadPool
from scheduler_app.engine.runner import execute
from scheduler_app.services import jobs, runs
from scheduler_app.store.runs import RunFilter
from scheduler_app.testing.clock import START


@dataclass
class Watch:
    """Reads what became of jobs and runs, in words that fit on a line."""

    scheduler: Scheduler

    def runs(self, job_id: str) -> list[Run]:
        """Return the runs of a job, oldest first."""
        where = RunFilter(job_ids=(job_id,))
        page = runs.list_runs(where, after=None, limit=1000, ctx=self.scheduler.core.ctx)
        return sorted(page.runs, key=lambda run: (run.scheduled_at, run.id))

    def story(self, job_id: str) -> list[str]:
        """Return each run as `state @minutes[-minutes xcount] [reason]`."""
        return [_told(run) for run in self.runs(job_id)]

    def job(self, job_id: str) -> Job:
        """Return a job."""
        return jobs.get_job(job_id, ctx=self.scheduler.core.ctx)

    def log(self, run_id: int) -> str:
        """Return a run's log."""
        return runs.read_log(run_id, offset=0, ctx=self.scheduler.core.ctx).text


def _minutes(at: datetime) -> str:
    return f"{(at - START) / timedelta(minutes=1):g}"


def _told(run: Run) -> str:
    if run.missed is not None:
        return f"missed @{_minutes(run.missed.since)}-{_minutes(run.missed.until)} x{run.missed.count} {run.reason}"
    return f"{run.state} @{_minutes(run.scheduled_at)}" + (f" {run.reason}" if run.reason else "")


@pytest.fixture
def watch(scheduler: Scheduler) -> Watch:
    return Watch(scheduler)


@pytest.fixture
def nothing(scheduler: Scheduler):
    @scheduler.task
    def nothing() -> None:
        pass

    return nothing


class WaitingPool(ThreadPool):
    """Slots whose threads have not come to work yet: what is handed over waits, and all of it counts as ahead."""

    def learn(self, task: str, seconds: float) -> None:
        self._durations[task] = seconds


@pytest.fixture
def engine_at_hand(scheduler: Scheduler, fake_clock) -> Iterator[Callable[[], Engine]]:
    """Make engines of two slots that pass when a test lets them, and start nothing of what they take."""
    core = scheduler.core
    fake_clock._driven.clear()
    engines: list[Engine] = []

    def make() -> Engine:
        engine = Engine(
            EngineContext(
                database=core.database,
                registry=core.registry,
                clock=fake_clock,
                bus=core.ctx.bus,
                slots=2,
                context=contextlib.nullcontext,
            )
        )
        run = partial(execute, surroundings=engine.surroundings)
        pool = WaitingPool(2, run, clock=fake_clock, on_outcome=lambda: None)
        engine.assemble({Executor.THREAD: pool})
        pool.learn("nothing", 0.05)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine._forget()
