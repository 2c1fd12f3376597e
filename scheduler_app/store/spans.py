"""The runs of a span of time, as what they are drawn of: when they began and ended, and how."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.run import RunState
from scheduler_app.store.rows import moment
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import OPEN_RUNS, runs

MOST_RUNNING = 1_000
SPAN = (runs.c.id, runs.c.job_key, runs.c.state, runs.c.started_at, runs.c.finished_at)
ENDED = Statement(
    sa.select(*SPAN)
    .where(
        runs.c.finished_at >= sa.bindparam("start"),
        runs.c.finished_at < sa.bindparam("end"),
        runs.c.started_at.is_not(None),
        sa.text(f"NOT {OPEN_RUNS}"),
    )
    .order_by(runs.c.finished_at.desc(), runs.c.id.desc())
    .limit(sa.bindparam("most"))
)
_next_ended = (
    sa.select(*SPAN)
    .where(runs.c.finished_at >= sa.bindparam("end"), sa.text(f"NOT {OPEN_RUNS}"))
    .order_by(runs.c.finished_at, runs.c.id)
    .limit(MOST_RUNNING)
    .subquery()
)
# what ran at the end of the span, among the next thousand that ended
ACROSS = Statement(sa.select(_next_ended).where(_next_ended.c.started_at < sa.bindparam("end")))
RUNNING = Statement(
    sa.select(*SPAN).where(sa.text("state = 'running'"), runs.c.started_at < sa.bindparam("end")).limit(MOST_RUNNING)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A run that was started; `end` is None while it runs."""

    run_id: int
    job_key: int
    state: RunState
    begin: datetime
    end: datetime | None


def between(tx: sa.Connection, start: datetime, end: datetime, most: int) -> list[Span]:
    """Return what runs, and at most so many of those that ended last, if they were executed between two moments."""
    ended = ENDED.rows(tx, start=to_micros(start), end=to_micros(end), most=most)
    across = ACROSS.rows(tx, end=to_micros(end))
    return [_span(row) for row in [*RUNNING.rows(tx, end=to_micros(end)), *across, *ended]]


def _span(row: Any) -> Span:
    end = None if row.state == RunState.RUNNING else moment(row.finished_at)
    return Span(
        run_id=row.id, job_key=row.job_key, state=RunState(row.state), begin=from_micros(row.started_at), end=end
    )
