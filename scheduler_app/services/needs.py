"""What a person should look at now, worst first, grouped by job: each from an index, none by a scan of runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

import sqlalchemy as sa

from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.run import Run, RunState
from scheduler_app.domain.track import NO_STATS, JobStats
from scheduler_app.store import glance, jobs, orders, run_pages, runs, tracks

MOST_LOOKED_AT = 200
MOST_UNKNOWN = 7
DAY = timedelta(days=1)
LONG_PAUSE = timedelta(days=7)
OVERDUE = timedelta(minutes=1)


class Kind(IntEnum):
    """Why a job needs somebody, the worst first."""

    BROKEN = 0
    UNKNOWN = 1
    FAILING = 2
    MISSED = 3
    OVERDUE = 4
    SLOW = 5
    PAUSED = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """One job that needs somebody: since when, and the run that shows it, if one does."""

    kind: Kind
    job: Job
    since: datetime
    stats: JobStats = NO_STATS
    run: Run | None = None
    number: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What is looked at: what runs, what ended badly of late, and the track record of all their jobs."""

    running: Sequence[Run]
    failed: Sequence[Run]
    missed: Sequence[Run]
    jobs: Mapping[int, Job]
    stats: Mapping[int, JobStats]


def look(tx: sa.Connection, now: datetime) -> Seen:
    """Return what runs, and the newest runs that ended badly."""
    running = glance.running(tx, MOST_LOOKED_AT)
    failed = _newest(tx, RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)
    missed = [run for run in _newest(tx, RunState.MISSED) if run.finished_at and run.finished_at >= now - DAY]
    keys = {run.job_key for run in (*running, *failed, *missed)}
    found = jobs.by_keys(tx, keys)
    return Seen(
        running=running,
        failed=failed,
        missed=missed,
        jobs={job.key: job for job in found},
        stats=tracks.of_jobs(tx, [job.key for job in found]),
    )


def _newest(tx: sa.Connection, *states: RunState) -> list[Run]:
    found = run_pages.page(tx, runs.RunFilter(states=states), after=None, limit=MOST_LOOKED_AT)
    return [run for run, _ in found]


def needs(tx: sa.Connection, seen: Seen, unknown_tasks: Sequence[str], *, is_paused: bool, now: datetime) -> list[Need]:
    """Return the jobs that need somebody, each once, worst first; `unknown_tasks` are those that no engine has."""
    found = [
        *_broken(tx),
        *_unknown(tx, unknown_tasks),
        *_failing(seen),
        *_missed(seen),
        *(() if is_paused else _overdue(tx, now)),
        *_slow(seen, now),
        *_paused(tx, now),
    ]
    first: dict[int, Need] = {}
    for need in sorted(found, key=lambda need: (need.kind, -need.number)):
        first.setdefault(need.job.key, need)
    return list(first.values())


def _broken(tx: sa.Connection) -> Iterable[Need]:
    for job in _held(tx, JobState.BROKEN):
        yield Need(kind=Kind.BROKEN, job=job, since=job.updated_at)


def _unknown(tx: sa.Connection, tasks: Sequence[str]) -> Iterable[Need]:
    for task in tasks[:MOST_UNKNOWN]:
        where = jobs.JobFilter(tasks=(task,), states=(JobState.ACTIVE,))
        found = [job for job, _ in orders.page(tx, where, after=None, limit=MOST_LOOKED_AT)]
        if found:
            yield Need(kind=Kind.UNKNOWN, job=found[0], since=found[0].updated_at, number=len(found))


def _failing(seen: Seen) -> Iterable[Need]:
    newest = {run.job_key: run for run in reversed(seen.failed)}
    for key, run in newest.items():
        job, stats = seen.jobs.get(key), seen.stats.get(key, NO_STATS)
        if job is not None and job.state is JobState.ACTIVE and stats.failures_in_a_row and stats.failing_since:
            number = stats.failures_in_a_row
            yield Need(kind=Kind.FAILING, job=job, since=stats.failing_since, stats=stats, run=run, number=number)


def _missed(seen: Seen) -> Iterable[Need]:
    """Yield the jobs whose firings were missed and that have not succeeded since."""
    for run in seen.missed:
        job, stats = seen.jobs.get(run.job_key), seen.stats.get(run.job_key, NO_STATS)
        if job is not None and (stats.last_success is None or stats.last_success < run.scheduled_at):
            number = (run.missed.count or 0) if run.missed else 1
            yield Need(kind=Kind.MISSED, job=job, since=run.scheduled_at, stats=stats, run=run, number=number)


def _overdue(tx: sa.Connection, now: datetime) -> Iterable[Need]:
    for job in jobs.soonest(tx, now - OVERDUE, MOST_LOOKED_AT):
        if job.state is JobState.ACTIVE and job.next_run_time is not None:
            yield Need(kind=Kind.OVERDUE, job=job, since=job.next_run_time)


def _slow(seen: Seen, now: datetime) -> Iterable[Need]:
    for run in seen.running:
        job, stats = seen.jobs.get(run.job_key), seen.stats.get(run.job_key, NO_STATS)
        began = run.started_at or now
        if job is not None and stats.p95 is not None and (now - began).total_seconds() > stats.p95:
            yield Need(kind=Kind.SLOW, job=job, since=began, stats=stats, run=run)


def _paused(tx: sa.Connection, now: datetime) -> Iterable[Need]:
    for job in _held(tx, JobState.PAUSED):
        if job.paused_until is None and job.updated_at < now - LONG_PAUSE:
            yield Need(kind=Kind.PAUSED, job=job, since=job.updated_at)


def _held(tx: sa.Connection, state: JobState) -> list[Job]:
    found = orders.page(tx, jobs.JobFilter(states=(state,)), after=None, limit=MOST_LOOKED_AT)
    return [job for job, _ in found]
