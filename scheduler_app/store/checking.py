"""Compare what is kept of the ends of runs with the runs: which roll-ups and which tracks are wrong."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from scheduler_app.store import facts, tracks
from scheduler_app.store.filling import FACT
from scheduler_app.store.rollups import SIZES
from scheduler_app.store.tables import job_stats, jobs

# runs and their roll-ups side by side, from the first roll-up on; `exact`: since when both must be the same
COMPARED = """
WITH there AS (
    SELECT finished_at / {size} * {size} AS at, state, count(*) AS number FROM scheduler_runs
    WHERE finished_at >= (SELECT min(at) FROM scheduler_rollups WHERE step = '{step}') AND state IN {states}
    GROUP BY finished_at / {size} * {size}, state
), kept AS (
    SELECT at, state, count - pruned AS number FROM scheduler_rollups WHERE step = '{step}'
), places AS (
    SELECT at, state FROM there UNION SELECT at, state FROM kept
)
SELECT '{step}' AS step, places.at, places.state, coalesce(kept.number, 0) AS kept, coalesce(there.number, 0) AS there
FROM places
LEFT JOIN there ON there.at = places.at AND there.state = places.state
LEFT JOIN kept ON kept.at = places.at AND kept.state = places.state
WHERE coalesce(kept.number, 0) < coalesce(there.number, 0)
   OR (places.at >= :exact AND coalesce(kept.number, 0) > coalesce(there.number, 0))
ORDER BY places.at
"""


def rollups_at_fault(tx: sa.Connection) -> Iterator[Any]:
    """Yield the minutes and hours that count other runs than there are."""
    filled_at = (facts.get(tx, FACT) or {}).get("filled_at", 0)
    for step, size in SIZES.items():
        sql = COMPARED.format(step=step, size=size, states=(*tracks.CODES,))
        yield from tx.execute(sa.text(sql), {"exact": filled_at})


def tracks_at_fault(tx: sa.Connection) -> Iterator[tuple[str, int, str]]:
    """Yield the jobs whose track lacks a run, or has one in another state, with that run."""
    query = sa.select(jobs.c.key, jobs.c.id, job_stats.c.marks, job_stats.c.older)
    query = query.select_from(jobs.outerjoin(job_stats, job_stats.c.job_key == jobs.c.key))
    for row in tx.execute(query.where(tracks.REPEATED).order_by(jobs.c.key)):
        there = tracks.rebuilt(tx, row.key, row.id)
        marks, runs = tracks.named(row.marks or b""), there.strip()
        newest = runs[-1:] if len(marks) >= len(runs) else runs
        for mark in newest:
            if tracks.name_of(mark) not in marks:
                yield row.id, mark.run_id, f"its end, {mark.state}, is not in the track of its job"
