"""How many jobs and runs are in each state, counted up to 10,001, which says: more than 10,000.

Each is counted in the narrow partial index that holds it: a row of its own is read for none.
"""

import sqlalchemy as sa

from scheduler_app.domain.job import JobState
from scheduler_app.domain.run import RunState
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import BLOCKED, FINISHED, HELD, OPEN, TIMED, jobs, runs

MOST_COUNTED = 10_000


def _count(column: sa.Column[int], *conditions: str) -> Statement:
    some = sa.select(column).where(*map(sa.text, conditions)).limit(MOST_COUNTED + 1).subquery()
    return Statement(sa.select(sa.func.count().label("number")).select_from(some))


TIMED_JOBS = _count(jobs.c.key, TIMED)
FINISHED_JOBS = _count(jobs.c.key, FINISHED)
PAUSED_JOBS = _count(jobs.c.key, HELD, "state = 'paused'")
BROKEN_JOBS = _count(jobs.c.key, HELD, "state = 'broken'")
ALL_HELD = Statement(sa.select(sa.func.count()).select_from(jobs).where(sa.text(HELD)))
ALL_OPEN = Statement(sa.select(sa.func.count()).select_from(jobs).where(sa.text(OPEN)))
RUNNING = _count(runs.c.id, "state = 'running'")
QUEUED = _count(runs.c.id, "state = 'queued'")
WAITING = _count(runs.c.id, "state = 'scheduled' AND reason <> 'blocked'")
BLOCKED_RUNS = _count(runs.c.id, BLOCKED)


def of_jobs(tx: sa.Connection) -> dict[str, int]:
    """Return how many jobs are in each state that any is in."""
    return _there(
        {
            JobState.ACTIVE: _active(tx),
            JobState.PAUSED: PAUSED_JOBS.scalar(tx),
            JobState.BROKEN: BROKEN_JOBS.scalar(tx),
            JobState.FINISHED: FINISHED_JOBS.scalar(tx),
        }
    )


def _active(tx: sa.Connection) -> int:
    """Return how many jobs are active; where few have a next time, no index holds the others but with what is held."""
    timed = int(TIMED_JOBS.scalar(tx))
    return timed if timed > MOST_COUNTED else int(ALL_OPEN.scalar(tx) - ALL_HELD.scalar(tx))


def of_open_runs(tx: sa.Connection) -> dict[str, int]:
    """Return how many runs are in each state that is not final."""
    return _there(
        {
            RunState.SCHEDULED: WAITING.scalar(tx) + BLOCKED_RUNS.scalar(tx),
            RunState.QUEUED: QUEUED.scalar(tx),
            RunState.RUNNING: RUNNING.scalar(tx),
        }
    )


def _there(found: dict[JobState, int] | dict[RunState, int]) -> dict[str, int]:
    return {str(state): min(number, MOST_COUNTED + 1) for state, number in found.items() if number}
