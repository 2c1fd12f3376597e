"""The track record of jobs: how their last runs went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.clock import from_micros
from scheduler_app.domain.run import RunState
from scheduler_app.domain.track import FAILURES, KEPT, NO_STATS, JobStats, Mark, percentile, trend, usual
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import jobs, runs

LAST = Statement(
    sa.select(runs.c.id, runs.c.job_key, runs.c.state, runs.c.scheduled_at, runs.c.started_at, runs.c.finished_at)
    .where(runs.c.job_id == sa.bindparam("job"), runs.c.finished_at.is_not(None))
    .order_by(runs.c.id.desc())
    .limit(KEPT)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _End:
    mark: Mark
    at: datetime


def of_jobs(tx: sa.Connection, keys: Sequence[int]) -> dict[int, JobStats]:
    """Return what is known of these jobs."""
    found = tx.execute(sa.select(jobs.c.key, jobs.c.id).where(jobs.c.key.in_(keys)))
    return {row.key: _stats(_ends(tx, row.key, row.id)) for row in found.all()}


def _ends(tx: sa.Connection, key: int, job_id: str) -> list[_End]:
    rows = [row for row in LAST.rows(tx, job=job_id) if row.job_key == key]
    ends = []
    for row in reversed(rows):
        ran = row.started_at is not None
        mark = Mark(
            run_id=row.id,
            state=RunState(row.state),
            duration=(row.finished_at - row.started_at) / 1e6 if ran else None,
            lateness=(row.started_at - row.scheduled_at) / 1e6 if ran else None,
            scheduled_at=from_micros(row.scheduled_at),
        )
        ends.append(_End(mark=mark, at=from_micros(row.finished_at)))
    return ends


def _stats(ends: Sequence[_End]) -> JobStats:
    if not ends:
        return NO_STATS
    good = [end for end in ends if end.mark.state is RunState.SUCCEEDED]
    bad = [end for end in ends if end.mark.state in FAILURES]
    failing = [end for end in bad if not good or end.at > good[-1].at]
    durations = [end.mark.duration for end in good if end.mark.duration is not None]
    late = sorted(end.mark.lateness for end in ends if end.mark.lateness is not None)
    return JobStats(
        usual=usual(durations),
        p95=usual(durations, 0.95),
        succeeded=len(good),
        failed=len(bad),
        failing_since=failing[0].at if failing else None,
        failures_in_a_row=len(failing),
        lateness_p95=percentile(late, 0.95) if late else None,
        lateness_max=late[-1] if late else None,
        trend=trend(durations),
        last_success=good[-1].at if good else None,
        last_failure=bad[-1].at if bad else None,
        strip=tuple(end.mark for end in ends),
    )
