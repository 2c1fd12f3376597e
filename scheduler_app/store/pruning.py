"""Prune: old runs go with their logs, a finished job with its last run; in batches of a few milliseconds.

Invariants kept here:
- A run that is open is never deleted, nor the newest firing of a job that can fire again: it is what keeps a clock that
  was set back from firing it a second time. Both are judged in the transaction that deletes.
- A job knows up to when its firings were pruned, so that an audit can tell a pruned firing from a lost one.

There is no index on the time a run ended, which every settle would pay for: runs are walked by id instead. Ids follow
the order in which runs were made, so that the old ones stand at the beginning.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.run import FINAL_STATES, Origin, RunState
from scheduler_app.store import attempts, rollups, tracks
from scheduler_app.store.endings import ENDING
from scheduler_app.store.rows import micros
from scheduler_app.store.statement import Among, Statement
from scheduler_app.store.tables import job_tags, jobs, logs, runs

WALKED = 1000
MOST_RUNS = 100
MOST_LOG_BYTES = 4 * 1024 * 1024

AGES = Statement(
    sa.select(
        runs.c.id,
        runs.c.scheduled_at,
        (
            runs.c.finished_at
            < sa.case(
                *((runs.c.state == state, sa.bindparam(str(state), type_=sa.BigInteger)) for state in FINAL_STATES)
            )
        ).label("expired"),
    )
    .where(runs.c.id > sa.bindparam("after"))
    .order_by(runs.c.id)
    .limit(WALKED)
)
WALK = Statement(
    sa.select(runs.c.id).where(runs.c.id > sa.bindparam("after")).order_by(runs.c.id).limit(1).offset(WALKED - 1)
)
LAST = Statement(sa.select(sa.func.max(runs.c.id).label("id")))
_met = sa.select(runs.c.job_id).where(runs.c.id > sa.bindparam("after"), runs.c.id <= sa.bindparam("upto"))
_walked = _met.distinct().subquery()
_surplus = (
    sa.select(runs.c.id)
    .where(runs.c.job_id == _walked.c.job_id)
    .order_by(runs.c.id.desc())
    .limit(1)
    .offset(sa.bindparam("most", type_=sa.Integer))
    .scalar_subquery()
)
CROWDED = Statement(sa.select(_walked.c.job_id, _surplus.label("newest_surplus")))
SURPLUS = Statement(
    sa.select(runs.c.id)
    .where(
        runs.c.job_id == sa.bindparam("job"),
        runs.c.id > sa.bindparam("after"),
        runs.c.id <= sa.bindparam("upto"),
    )
    .order_by(runs.c.id)
    .limit(WALKED)
)
LOG_SIZES = Statement(
    sa.select(logs.c.run_id, sa.func.sum(logs.c.size).label("size"))
    .where(Among(logs.c.run_id, "ids"))
    .group_by(logs.c.run_id)
)
_other = runs.alias()
_newest_firing = (
    sa.select(sa.func.max(_other.c.scheduled_at))
    .where(_other.c.job_key == runs.c.job_key, _other.c.origin == sa.literal_column("'schedule'"))
    .scalar_subquery()
)
_fires_again = sa.exists().where(
    jobs.c.key == runs.c.job_key,
    sa.or_(
        sa.and_(jobs.c.state != "finished", sa.or_(jobs.c.next_run_time.is_not(None), jobs.c.after_job.is_not(None))),
        jobs.c.state == "broken",
    ),
)
DELETE_RUNS = Statement(
    runs.delete()
    .where(
        Among(runs.c.id, "ids"),
        sa.or_(*(runs.c.state == state for state in FINAL_STATES)),
        ~sa.and_(runs.c.origin == Origin.SCHEDULE, runs.c.scheduled_at == _newest_firing, _fires_again),
    )
    .returning(*ENDING, runs.c.missed_until)
)
# what another program has locked is left for the next sweep
UNLOCKED = Statement(sa.select(runs.c.id).where(Among(runs.c.id, "ids")).with_for_update(skip_locked=True))
DELETE_LOGS = Statement(logs.delete().where(Among(logs.c.run_id, "ids")))
NOTE_PRUNED = Statement(
    jobs.update()
    .where(jobs.c.key == sa.bindparam("key_"))
    .values(
        pruned_until=sa.case(
            (jobs.c.pruned_until > sa.bindparam("until_", type_=sa.BigInteger), jobs.c.pruned_until),
            else_=sa.bindparam("until_", type_=sa.BigInteger),
        )
    )
)
_follower = jobs.alias("follower")
DELETE_JOBS = Statement(
    jobs.delete()
    .where(
        Among(jobs.c.key, "keys"),
        jobs.c.state == "finished",
        ~sa.exists().where(runs.c.job_id == jobs.c.id, runs.c.job_key == jobs.c.key),
        # run by hand, it fires what comes after it
        ~sa.exists().where(_follower.c.after_job == jobs.c.id),
    )
    .returning(jobs.c.key)
)
DELETE_TAGS = Statement(job_tags.delete().where(Among(job_tags.c.job_key, "keys")))


@dataclass(frozen=True, kw_only=True, slots=True)
class Walked:
    """Some runs in the order of their ids: the last one, those that are too old, and whether all are too young."""

    last: int
    expired: list[int]
    young: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """How many runs and finished jobs a batch removed."""

    runs: int
    jobs: int


def walk(
    tx: sa.Connection, after: int, cutoffs: Mapping[RunState, datetime | None], youngest: datetime
) -> Walked | None:
    """Look at the next 1,000 runs after an id; None when there is none."""
    rows = AGES.rows(tx, after=after, **{str(state): micros(cutoff) for state, cutoff in cutoffs.items()})
    if not rows:
        return None
    limit = to_micros(youngest)
    return Walked(
        last=rows[-1].id,
        expired=[row.id for row in rows if row.expired],
        young=all(row.scheduled_at > limit for row in rows),
    )


def crowded(tx: sa.Connection, after: int, most: int) -> tuple[int, list[tuple[str, int]]] | None:
    """Look at the jobs of the next 1,000 runs; return the last run's id, and of each job that has more than `most`
    runs its id and that of its newest surplus run. None when there is no run after that id."""
    last = WALK.scalar(tx, after=after) or LAST.scalar(tx) or 0
    if last <= after:
        return None
    rows = CROWDED.rows(tx, after=after, upto=last, most=most)
    return last, [(row.job_id, row.newest_surplus) for row in rows if row.newest_surplus is not None]


def surplus(tx: sa.Connection, job_id: str, after: int, upto: int) -> list[int]:
    """Return the next 1,000 runs of a job from one id to another, the oldest first."""
    return [row.id for row in SURPLUS.rows(tx, job=job_id, after=after, upto=upto)]


def batches(tx: sa.Connection, ids: Sequence[int]) -> list[list[int]]:
    """Divide runs into batches of at most 100 runs, and of 4 MiB of logs if they are more than one."""
    sizes = {row.run_id: row.size for row in LOG_SIZES.rows(tx, ids=list(ids))}
    return list(_divided(ids, sizes))


def _divided(ids: Iterable[int], sizes: Mapping[int, int]) -> Iterator[list[int]]:
    batch: list[int] = []
    weight = 0
    for run_id in ids:
        size = sizes.get(run_id, 0)
        if batch and (len(batch) == MOST_RUNS or weight + size > MOST_LOG_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(run_id)
        weight += size
    if batch:
        yield batch


def prune(tx: sa.Connection, ids: Sequence[int]) -> Pruned:
    """Delete these runs, but for those that may not go, with their logs and the finished jobs that have none left."""
    if tx.dialect.name == "postgresql":
        ids = [row.id for row in UNLOCKED.rows(tx, ids=list(ids))]
    gone = DELETE_RUNS.rows(tx, ids=list(ids))
    if not gone:
        return Pruned(runs=0, jobs=0)
    DELETE_LOGS.run(tx, ids=[row.id for row in gone])
    attempts.forget(tx, [row.id for row in gone])
    ended = [row.key for row in DELETE_JOBS.rows(tx, keys=list({row.job_key for row in gone}))]
    if ended:
        DELETE_TAGS.run(tx, keys=ended)
        tracks.forget(tx, ended)
    rollups.note_pruned(tx, [(row.finished_at, row.state) for row in gone])
    _note(tx, gone)
    return Pruned(runs=len(gone), jobs=len(ended))


def _note(tx: sa.Connection, gone: Iterable[Any]) -> None:
    """Keep with each job up to when its firings were pruned."""
    until: dict[int, int] = {}
    for row in gone:
        if row.origin == Origin.SCHEDULE:
            until[row.job_key] = max(until.get(row.job_key, row.scheduled_at), row.missed_until or row.scheduled_at)
    NOTE_PRUNED.many(tx, [{"key_": key, "until_": moment} for key, moment in until.items()])
