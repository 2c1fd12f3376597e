"""What changed lately, read by index: the newest runs, those that ended last, those that run, jobs, and the audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from scheduler_app.store.callers import audit
from scheduler_app.store.facts import PAUSE
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import engines, facts, jobs, logs, runs

MOST = 1_000
_latest_piece = sa.select(sa.func.max(logs.c.start)).where(logs.c.run_id == runs.c.id).scalar_subquery()
RUN = (runs.c.id, runs.c.state, runs.c.attempt, runs.c.reason)
NEWEST = Statement(sa.select(*RUN).where(runs.c.id > sa.bindparam("run")).order_by(runs.c.id.desc()).limit(MOST))
ENDED = Statement(
    sa.select(*RUN, runs.c.finished_at)
    .where(sa.text("finished_at IS NOT NULL"), runs.c.finished_at >= sa.bindparam("ended"))
    .order_by(runs.c.finished_at.desc(), runs.c.id.desc())
    .limit(MOST)
)
RUNNING = Statement(
    sa.select(
        *RUN,
        runs.c.cancel_requested,
        runs.c.progress_current,
        runs.c.progress_total,
        runs.c.progress_message,
        _latest_piece.label("piece"),
    )
    .where(sa.text("state = 'running'"))
    .limit(MOST)
)
NEW_JOBS = Statement(
    sa.select(jobs.c.key, jobs.c.id, jobs.c.version)
    .where(jobs.c.key > sa.bindparam("job"))
    .order_by(jobs.c.key.desc())
    .limit(MOST)
)
NOTED = Statement(
    sa.select(audit.c.id, audit.c.subject)
    .where(audit.c.id > sa.bindparam("noted"))
    .order_by(audit.c.id.desc())
    .limit(MOST)
)
ENGINES = Statement(
    sa.select(engines.c.id, engines.c.state).where(sa.text("state IN ('running', 'draining')")).order_by(engines.c.id)
)
PAUSED = Statement(sa.select(facts.c.value).where(facts.c.name == PAUSE))
LATEST_RUN = Statement(sa.select(sa.func.max(runs.c.id)))
LATEST_JOB = Statement(sa.select(sa.func.max(jobs.c.key)))
LATEST_NOTE = Statement(sa.select(sa.func.max(audit.c.id)))
LATEST_END = Statement(sa.select(sa.func.max(runs.c.finished_at)).where(sa.text("finished_at IS NOT NULL")))


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """How far the store has come: its newest run, job and change, and, in microseconds, the latest end of a run."""

    run: int = 0
    ended: int = 0
    job: int = 0
    noted: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Recent:
    """What was changed lately, each with what tells one change from the next; `full` when there may be more.

    `noted` are the subjects of the changes that the audit has, by its numbers.
    """

    runs: Mapping[int, object]
    running: Mapping[int, object]
    jobs: Mapping[str, int]
    noted: Mapping[int, str | None]
    whole: object
    mark: Mark
    full: bool


def mark(tx: sa.Connection) -> Mark:
    """Return how far the store has come."""
    return Mark(
        run=LATEST_RUN.scalar(tx) or 0,
        ended=LATEST_END.scalar(tx) or 0,
        job=LATEST_JOB.scalar(tx) or 0,
        noted=LATEST_NOTE.scalar(tx) or 0,
    )


def since(tx: sa.Connection, before: Mark) -> Recent:
    """Return what was changed since a mark. Of what runs all is told, whenever it began."""
    newest = NEWEST.rows(tx, run=before.run)
    ended = ENDED.rows(tx, ended=before.ended)
    running = {row.id: tuple(row) for row in RUNNING.rows(tx)}
    added = NEW_JOBS.rows(tx, job=before.job)
    noted = NOTED.rows(tx, noted=before.noted)
    found: dict[int, Any] = {row.id: (row.state, row.attempt, row.reason) for row in [*newest, *ended]}
    return Recent(
        runs=found,
        running=running,
        jobs={row.id: row.version for row in added},
        noted={row.id: row.subject for row in noted},
        whole=(tuple(tuple(row) for row in ENGINES.rows(tx)), PAUSED.scalar(tx)),
        mark=Mark(
            run=max([before.run, *(row.id for row in newest)]),
            ended=max([before.ended, *(row.finished_at for row in ended)]),
            job=max([before.job, *(row.key for row in added)]),
            noted=max([before.noted, *(row.id for row in noted)]),
        ),
        full=MOST in (len(newest), len(ended), len(added), len(noted)),
    )
