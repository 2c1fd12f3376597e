"""All that a page tells of one job: how it has done, what it does now, and what comes next."""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import sqlalchemy as sa

from scheduler_app.clock import from_micros
from scheduler_app.domain.after import parent_of
from scheduler_app.domain.change import What, of_job
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.run import Run, RunState
from scheduler_app.domain.track import NO_STATS, JobStats
from scheduler_app.errors import SchedulerError
from scheduler_app.services.colliding import others_at
from scheduler_app.services.context import Context
from scheduler_app.services.forecast import Forecast, forecast, running_times
from scheduler_app.services.jobs import find
from scheduler_app.store import attention, engines, jobs, run_pages, tracks, trail
from scheduler_app.store.runs import RunFilter, RunPlace
from scheduler_app.store.trail import TrailFilter

COMING = 10
MOST_COUNTED = 10_000
MOST_LINKS = 100
RUNS_SHOWN = 20
ENGINES_SHOWN = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Dossier:
    """`times` are the next firings, the first `skips` of which will be skipped, `others` how many jobs fire with each;
    `why` says what keeps it from firing.

    `runs_kept` is counted up to 10,001. `downstream` are the ids, names and tasks of jobs that come
    after this one, `nodes` the names of engines.
    """

    job: Job
    stats: JobStats
    running: list[Run]
    times: list[datetime]
    others: list[int]
    skips: int
    paused_by: str | None
    why: str | None
    runs_kept: int
    since: datetime | None
    upstream: str | None
    downstream: list[tuple[str, str, str]]
    nodes: dict[int, str]


def view_job(job_id: str, *, ctx: Context) -> Dossier:
    """Return all that is told of a job; NotFound when there is none of that id."""
    ahead = forecast(job_id, count=COMING, ctx=ctx)
    with ctx.database.read() as tx:
        job = find(tx, job_id)
        running = run_pages.page(
            tx, RunFilter(job_ids=(job_id,), states=(RunState.RUNNING,)), after=None, limit=RUNS_SHOWN
        )
        oldest = attention.oldest_run(tx, job_id)
        skips = jobs.skips(tx, [job.key]).get(job.key, 0)
        times = _times(job, ahead, skips)
        return Dossier(
            job=job,
            stats=tracks.of_jobs(tx, [job.key]).get(job.key, NO_STATS),
            running=[run for run, _ in running],
            times=times,
            others=others_at(tx, job, times),
            paused_by=_paused_by(tx, job),
            skips=skips,
            why=ahead.why,
            runs_kept=attention.count_runs(tx, job_id, MOST_COUNTED + 1),
            since=None if oldest is None else from_micros(oldest),
            upstream=parent_of(job.trigger),
            nodes={engine.id: engine.node for engine in engines.known(tx, ENGINES_SHOWN)},
            downstream=attention.followers(tx, job_id, MOST_LINKS),
        )


def _paused_by(tx: sa.Connection, job: Job) -> str | None:
    """Return who paused a job that is paused, as far as that is remembered."""
    if job.state is not JobState.PAUSED:
        return None
    paused = TrailFilter(subjects=(of_job(job.id),), what=(What.JOB_PAUSED,))
    found, _ = trail.page(tx, paused, after=None, limit=1)
    return found[0].who if found else None


def _times(job: Job, ahead: Forecast, skips: int) -> list[datetime]:
    """Return the next firings, with those that will be skipped, unless nothing fires at all."""
    if not skips or (not ahead.next_run_times and not job.next_run_time):
        return ahead.next_run_times
    try:
        return list(islice(running_times(job, 0), COMING))
    except SchedulerError:
        return ahead.next_run_times


def runs_of(job: Job, *, after: int | None, ctx: Context) -> tuple[list[Run], bool]:
    """Return runs of a job, newest first, beginning after one; and whether there are older ones."""
    place = None if after is None else RunPlace(value=0, id=after)
    with ctx.database.read() as tx:
        found = run_pages.page(tx, RunFilter(job_ids=(job.id,)), after=place, limit=RUNS_SHOWN + 1)
    return [run for run, _ in found[:RUNS_SHOWN]], len(found) > RUNS_SHOWN
