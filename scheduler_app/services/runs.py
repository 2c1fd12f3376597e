"""What can be done with runs."""

from dataclasses import dataclass

import sqlalchemy as sa

from scheduler_app.domain.attempt import PastAttempt
from scheduler_app.domain.change import What, of_run
from scheduler_app.domain.run import Reason, Run, RunState
from scheduler_app.domain.same_error import error_key
from scheduler_app.errors import Conflict, NotFound
from scheduler_app.services.context import Context
from scheduler_app.services.trail import noting
from scheduler_app.store import attempts, jobs, logs, places, run_pages, runs
from scheduler_app.store.following import End, follow
from scheduler_app.store.runs import RunPlace

MOST_LOG_BYTES = 256 * 1024
MOST_ERRORS = 200


@dataclass(frozen=True, kw_only=True)
class Page:
    """Runs, newest or last finished first; `after` continues the list, None when it is complete."""

    runs: list[Run]
    after: RunPlace | None


@dataclass(frozen=True, kw_only=True)
class SameError:
    """What the same errors have in common, and how many runs `before`, in a row, had the same one; at most 200."""

    key: str
    before: int


@dataclass(frozen=True, kw_only=True)
class LogSlice:
    """A part of a run's log: bytes `offset` to `next_offset` of `size`, less `omitted` that were not kept."""

    run_id: int
    text: str
    offset: int
    next_offset: int
    size: int
    omitted: int
    complete: bool


def get_run(run_id: int, *, ctx: Context) -> Run:
    """Return a run; NotFound when there is none."""
    with ctx.database.read() as tx:
        return find(tx, run_id)


def same_error(run: Run, *, ctx: Context) -> SameError | None:
    """Return how many runs of its job before a run, in a row, failed by the same error; None when it has none."""
    with ctx.database.read() as tx:
        return same_error_of(tx, run)


def same_error_of(tx: sa.Connection, run: Run) -> SameError | None:
    """Return the same in a transaction."""
    if run.error is None:
        return None
    key, before = error_key(run.error), 0
    for error in runs.errors_before(tx, run, MOST_ERRORS):
        if error is None or error_key(error) != key:
            break
        before += 1
    return SameError(key=key, before=before)


def earlier_attempts(run: Run, *, ctx: Context) -> list[PastAttempt]:
    """Return the attempts of a run that others followed."""
    if run.max_attempts == 1 and not run.crashes:  # most runs: nothing needs to be read
        return []
    with ctx.database.read() as tx:
        return attempts.of_run(tx, run.id)


def list_runs(where: runs.RunFilter, *, after: RunPlace | None, limit: int, ctx: Context) -> Page:
    """Return up to `limit` runs, after a place in their order."""
    with ctx.database.read() as tx:
        found, further = run_pages.quick_page(tx, where, after=after, limit=limit)
    return Page(runs=[run for run, _ in found], after=further)


def cancel_run(run_id: int, *, ctx: Context) -> Run:
    """Cancel a run: at once when it waits, by asking its task when it runs. Conflict when it has ended."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> Run:
        run = find(tx, run_id)
        if not run.is_open:
            raise Conflict(f"run {run_id} has ended: {run.state}")
        if runs.cancel_waiting(tx, run_id, reason=Reason.REQUESTED, now=now):
            places.unblock(tx, [run.job_key], [run.concurrency_key], now)
            if run.started_at is not None:  # it waited for another attempt
                follow(tx, [End(run=run.id, job_id=run.job_id, state=RunState.CANCELLED, at=now)], now)
            jobs.finish_idle(tx, [run.job_key])
        else:
            runs.request_cancel(tx, run_id)
        was = {"job": run.job_id, "state": run.state}
        noting(tx, ctx, now).change(What.RUN_CANCELLED, of_run(run_id), before=was)
        return find(tx, run_id)

    run = ctx.database.write(work)
    ctx.wake()
    return run


def read_log(run_id: int, *, offset: int, ctx: Context) -> LogSlice:
    """Return what a run logged and printed from a byte offset on, at most about 256 KiB of it."""
    with ctx.database.read() as tx:
        run = find(tx, run_id)
        size = logs.size(tx, run_id)
        chunks = logs.read(tx, run_id, offset=offset, limit=MOST_LOG_BYTES)
    kept = [chunk.data[max(0, offset - chunk.start) :] for chunk in chunks]
    end = chunks[-1].start + len(chunks[-1].data) if chunks else max(offset, size)
    return LogSlice(
        run_id=run_id,
        text=b"".join(kept).decode(errors="replace"),
        offset=offset,
        next_offset=end,
        size=size,
        omitted=max(0, end - offset - sum(len(data) for data in kept)) if chunks else 0,
        complete=not run.is_open and end >= size,
    )


def find(tx: sa.Connection, run_id: int) -> Run:
    """Return a run; NotFound when there is none."""
    run = runs.find(tx, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return run
