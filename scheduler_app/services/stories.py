"""The story of a run: what it did, beside what is usual for its job and the runs around it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from scheduler_app.domain.job import Job
from scheduler_app.domain.run import Run, RunError
from scheduler_app.domain.track import NO_STATS, JobStats
from scheduler_app.services.context import Context
from scheduler_app.services.runs import find
from scheduler_app.store import jobs, kin, logs, tracks
from scheduler_app.store.logs import AttemptLog, LogChunk

COMPARED = 90
MOST_BYTES = 4 * logs.KEPT_END
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+")


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
    previous: Run | None
    next: int | None
    same_error: int
    log: AttemptText


def tell(run_id: int, *, attempt: int | None, ctx: Context) -> Story:
    """Return the story of a run with the log of one attempt, the last one unless told; NotFound if there is no run."""
    with ctx.database.read() as tx:
        run = find(tx, run_id)
        job = jobs.find(tx, run.job_id)
        kept = job if job is not None and job.key == run.job_key else None
        before = kin.before(tx, run, COMPARED if run.error else 1)
        return Story(
            run=run,
            job=kept,
            stats=tracks.of_jobs(tx, [run.job_key]).get(run.job_key, NO_STATS),
            node=kin.node(tx, run.engine),
            previous=before[0] if before else None,
            next=kin.behind(tx, run),
            same_error=0 if run.error is None else same_error(run.error, before),
            log=_log(tx, run, attempt),
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


def same_error(error: RunError, before: Iterable[Run]) -> int:
    """Return how many of the runs right before failed with the same error; numbers in its message may differ."""
    number = 0
    for run in before:
        if run.error is None or _kind(run.error) != _kind(error):
            break
        number += 1
    return number


def _kind(error: RunError) -> tuple[str, str]:
    return error.type, _VARYING.sub("#", error.message)
