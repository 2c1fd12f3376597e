"""Tracks: what is kept of the last runs of each job that fires more than once, in one row, written when a run ends.

`marks` is the last 90 runs, the oldest first, 14 bytes each, so that a page holds three jobs: the last bits of the id
(the whole one of the newest is `last_run`) with the state, the second for which it was scheduled, duration, lateness
(to a thousandth, at most 18 hours). What a run that succeeded took is kept in `older` once its mark has gone, as long
as 90 of them are not among the marks.
`usual` is for sorting only: to two digits, renewed with every eighth run, later with every 32nd, so that its index
seldom changes.
"""

import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.clock import from_micros
from scheduler_app.domain.run import RunState
from scheduler_app.domain.track import FAILURES, FEWEST, KEPT, JobStats, Mark, percentile, trend, usual
from scheduler_app.store.endings import ENDING, Ending
from scheduler_app.store.rows import moment
from scheduler_app.store.statement import Among, Statement
from scheduler_app.store.tables import job_stats, jobs, runs

STATES = (
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.TIMED_OUT,
    RunState.LOST,
    RunState.CANCELLED,
    RunState.MISSED,
    RunState.SKIPPED,
)
CODES = {str(state): code for code, state in enumerate(STATES)}
SUCCEEDED, LAST_FAILURE = CODES[RunState.SUCCEEDED], CODES[RunState.LOST]
MARK, TOOK = struct.Struct("<IIfe"), struct.Struct("<f")
CODE_BITS, ID_BITS = 3, 29
CODE, IDS = (1 << CODE_BITS) - 1, 1 << ID_BITS
MOST_LATE = 65_504.0
SECOND = 1_000_000
RENEWED, RARELY = 8, 32
COLUMNS = [column.name for column in job_stats.columns]
REPEATED = sa.text("scheduler_jobs.trigger_type IS NOT NULL AND scheduler_jobs.trigger_type <> 'date'")
KNOWN = Statement(
    sa.select(jobs.c.key, *(column for column in job_stats.columns if column is not job_stats.c.job_key))
    .select_from(jobs.outerjoin(job_stats, job_stats.c.job_key == jobs.c.key))
    .where(Among(jobs.c.key, "keys"), REPEATED)
)
_insert = postgresql.insert(job_stats)
WRITE = Statement(
    _insert.on_conflict_do_update(
        index_elements=["job_key"],
        set_={name: _insert.excluded[name] for name in COLUMNS if name != "job_key"},
    ),
    columns=COLUMNS,
    named=("job_key",),
)
LAST = Statement(
    sa.select(*ENDING)
    .where(runs.c.job_id == sa.bindparam("job"), runs.c.finished_at.is_not(None), sa.text(f"state IN {(*CODES,)}"))
    .order_by(runs.c.id.desc())
    .limit(KEPT)
)
OF_JOBS = Statement(
    sa.select(jobs.c.key, jobs.c.id, job_stats)
    .select_from(jobs.outerjoin(job_stats, job_stats.c.job_key == jobs.c.key))
    .where(Among(jobs.c.key, "keys"))
)
FORGET = Statement(job_stats.delete().where(Among(job_stats.c.job_key, "keys")))


@dataclass(slots=True)
class Track:
    """A row, while runs are added to it."""

    number: int = 0
    last_run: int = 0
    unwell: int = 0
    failures: int = 0
    failing_since: int | None = None
    last_success: int | None = None
    last_failure: int | None = None
    usual: int | None = None
    marks: bytes = b""
    older: bytes = b""

    def add(self, ending: Ending) -> None:
        """Add a run that has ended."""
        code = CODES[ending.state]
        if len(self.marks) >= KEPT * MARK.size:
            self._drop_oldest()
        self.marks += _mark(ending, code)
        self.number += 1
        self.last_run = ending.run
        self.unwell += code != SUCCEEDED
        if code == SUCCEEDED:
            self.failures, self.failing_since, self.last_success = 0, None, ending.finished_at
        elif code <= LAST_FAILURE:
            self.failures += 1
            self.failing_since = self.failing_since or ending.finished_at
            self.last_failure = ending.finished_at
        if self.number == FEWEST or self.number % (RENEWED if self.number < KEPT else RARELY) == 0:
            found = usual(self.took())
            self.usual = None if found is None else int(float(f"{found * 1e6:.2g}"))

    def _drop_oldest(self) -> None:
        named, _, took, _ = MARK.unpack_from(self.marks)
        self.marks = self.marks[MARK.size :]
        if named & CODE == SUCCEEDED:
            self.older += TOOK.pack(took)
        else:
            self.unwell -= 1
        self.older = self.older[-self.unwell * TOOK.size :] if self.unwell else b""

    def took(self) -> list[float]:
        """Return what the last runs took that succeeded, the oldest first."""
        older = [took for (took,) in TOOK.iter_unpack(self.older)]
        newer = [took for named, _, took, _ in MARK.iter_unpack(self.marks) if named & CODE == SUCCEEDED]
        return [*older, *newer][-KEPT:]

    def strip(self) -> tuple[Mark, ...]:
        """Return the last runs, the oldest first."""
        return tuple(self._mark_of(*mark) for mark in MARK.iter_unpack(self.marks))

    def _mark_of(self, named: int, second: int, took: float, late: float) -> Mark:
        return Mark(
            run_id=self._whole(named >> CODE_BITS),
            state=STATES[named & CODE],
            duration=None if isnan(took) else _precise(took),
            lateness=None if isnan(late) else _precise(late, digits=3),
            scheduled_at=from_micros(second * SECOND),
        )

    def _whole(self, bits: int) -> int:
        """Return the id that ends in these bits and is the nearest to that of the newest run."""
        return self.last_run + (bits - self.last_run + IDS // 2) % IDS - IDS // 2

    def stats(self) -> JobStats:
        """Return what a person wants to know of it."""
        took, strip = [_precise(value) for value in self.took()], self.strip()
        late = sorted(mark.lateness for mark in strip if mark.lateness is not None)
        states = [mark.state for mark in strip]
        return JobStats(
            usual=usual(took),
            p95=usual(took, 0.95),
            succeeded=states.count(RunState.SUCCEEDED),
            failed=sum(state in FAILURES for state in states),
            failing_since=moment(self.failing_since),
            failures_in_a_row=self.failures,
            lateness_p95=percentile(late, 0.95) if late else None,
            lateness_max=late[-1] if late else None,
            trend=trend(took),
            last_success=moment(self.last_success),
            last_failure=moment(self.last_failure),
            strip=strip,
        )


TRACK = COLUMNS[1:]
_fields_of = attrgetter(*TRACK)


def _mark(ending: Ending, code: int) -> bytes:
    named, second = ending.run % IDS << CODE_BITS | code, max(0, ending.scheduled_at // SECOND)
    if ending.started_at is None:
        return MARK.pack(named, second, nan, nan)
    late = (ending.started_at - ending.scheduled_at) / SECOND
    took = (ending.finished_at - ending.started_at) / SECOND
    return MARK.pack(named, second, took, max(-MOST_LATE, min(late, MOST_LATE)))


def _precise(value: float, digits: int = 7) -> float:
    """Return a number without the digits that its bytes do not hold."""
    return float(f"{value:.{digits}g}")


def add(tx: sa.Connection, endings: Iterable[Ending]) -> None:
    """Add runs that end in this transaction to the tracks of their jobs."""
    of_job: dict[int, list[Ending]] = {}
    for ending in endings:
        if ending.job is not None:
            of_job.setdefault(ending.job, []).append(ending)
    if not of_job:
        return
    rows = []
    for row in KNOWN.rows(tx, keys=list(of_job)):
        track = _track_of(row)
        for ending in of_job[row.key]:
            track.add(ending)
        rows.append(_values(row.key, track))
    WRITE.many(tx, rows)


def write(tx: sa.Connection, key: int, track: Track) -> None:
    """Write the track of a job."""
    WRITE.many(tx, [_values(key, track)])


def _track_of(row: Any) -> Track:
    return Track(*row[-len(TRACK) :]) if row.marks is not None else Track()


def _values(key: int, track: Track) -> dict[str, Any]:
    return dict(zip(COLUMNS, (key, *_fields_of(track)), strict=True))


def of_jobs(tx: sa.Connection, keys: Sequence[int]) -> dict[int, JobStats]:
    """Return what is known of these jobs; of those that fire once, and of which nothing is kept yet, by their runs."""
    return {key: track.stats() for key, track in _kept(tx, keys)}


def usuals(tx: sa.Connection, keys: Sequence[int]) -> dict[int, float | None]:
    """Return how long these jobs usually take, and nothing else of what is known of them."""
    return {key: usual([_precise(value) for value in track.took()]) for key, track in _kept(tx, keys)}


def _kept(tx: sa.Connection, keys: Sequence[int]) -> Iterator[tuple[int, Track]]:
    for row in OF_JOBS.rows(tx, keys=list(keys)) if keys else []:
        yield row.key, rebuilt(tx, row.key, row.id) if row.marks is None else _track_of(row)


def rebuilt(tx: sa.Connection, key: int, job_id: str) -> Track:
    """Return the track of a job by its last runs that are still there."""
    found = [row for row in LAST.rows(tx, job=job_id) if row.job_key == key]
    track = Track()
    for row in sorted(found, key=lambda row: (row.finished_at, row.id)):
        track.add(Ending(key, row.id, row.state, row.scheduled_at, row.started_at, row.finished_at))
    return track


def named(marks: bytes) -> set[int]:
    """Return what names the runs of some marks, with their states."""
    return {mark[0] for mark in MARK.iter_unpack(marks)}


def name_of(mark: Mark) -> int:
    """Return what names the run of a mark, with its state."""
    return mark.run_id % IDS << CODE_BITS | CODES[mark.state]


def forget(tx: sa.Connection, keys: Collection[int]) -> None:
    """Delete what is kept of these jobs."""
    FORGET.run(tx, keys=list(keys))
