"""The story of a run: what it did, beside what is usual for its job and the runs around it."""

from dataclasses import dataclass

import sqlalchemy as sa

from scheduler_app.domain.attempt import PastAttempt
from scheduler_app.domain.job import Job
from scheduler_app.domain.run import Run
from scheduler_app.domain.track import NO_STATS, JobStats
from scheduler_app.services.context import Context
from scheduler_app.services.runs import find, same_error_of
from scheduler_app.store import attempts, jobs, kin, logs, tracks
from scheduler_app.store.logs import AttemptLog, LogChunk

MOST_BYTES = 4 * logs.KEPT_END


@dataclass(frozen=True, kw_only=True)
class AttemptText:
    """What is kept of an attempt's log; between chunks that do not touch, the middle was dropped.

    `end` is where the log of the run goes on.
    """

    attempts: tuple[AttemptLog, ...]
    attempt: int
    chunks: tuple[LogChunk, ...]
    end: int


@dataclass(frozen=True, kw_only=True)
class Story:
    """A run, and what it is to be judged by. `job` is None when it was deleted, `node` when the engine is forgotten.

    `same_error` is how many runs right before it failed in the same way.
    """

    run: Run
    job: Job | None
    stats: JobStats
    node: str | None
    previous: int | None
    next: int | None
    same_error: int
    log: AttemptText
    attempts: tuple[PastAttempt, ...]


def tell(run_id: int, *, attempt: int | None, ctx: Context) -> Story:
    """Return the story of a run with the log of one attempt, the last one unless told; NotFound if there is no run."""
    with ctx.database.read() as tx:
        run = find(tx, run_id)
        job = jobs.find(tx, run.job_id)
        kept = job if job is not None and job.key == run.job_key else None
        same = same_error_of(tx, run)
        return Story(
            run=run,
            job=kept,
            stats=tracks.of_jobs(tx, [run.job_key]).get(run.job_key, NO_STATS),
            node=kin.node(tx, run.engine),
            previous=kin.before(tx, run),
            next=kin.behind(tx, run),
            same_error=0 if same is None else same.before,
            log=_log(tx, run, attempt),
            attempts=tuple(attempts.of_run(tx, run.id)),
        )


def read_text(run_id: int, *, attempt: int | None, ctx: Context) -> AttemptText:
    """Return what is kept of the log of one attempt, the last one unless told."""
    with ctx.database.read() as tx:
        return _log(tx, find(tx, run_id), attempt)


def _log(tx: sa.Connection, run: Run, attempt: int | None) -> AttemptText:
    attempts, wanted = logs.of_attempts(tx, run.id), attempt or run.attempt
    of = next((part for part in attempts if part.attempt == wanted), None)
    if of is None:
        return AttemptText(attempts=tuple(attempts), attempt=wanted, chunks=(), end=logs.size(tx, run.id))
    chunks = logs.read(tx, run.id, offset=of.start, limit=MOST_BYTES)
    own = tuple(chunk for chunk in chunks if chunk.start < of.end)
    return AttemptText(attempts=tuple(attempts), attempt=of.attempt, chunks=own, end=of.end)
