"""Read from a store what an audit needs of a job that comes after another one: each end, and the firing of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import from_micros, rfc3339, to_micros
from scheduler_app.domain.run import Reason, RunState
from scheduler_app.store.tables import runs

# ends at one moment are firings of the microseconds after it
APART = 1_000_000
MOST = 101
firing, end = runs.alias("firing"), runs.alias("ending")


@dataclass(frozen=True, kw_only=True)
class Link:
    """A job, the one that it comes after, in which states that one's runs fire it, and from when that can be judged."""

    key: int
    parent: str
    states: Sequence[RunState]
    since: datetime

    def at_fault(self, tx: sa.Connection) -> Iterator[tuple[int | None, str]]:
        """Yield what is wrong with the firings, and the run that shows it."""
        for row in tx.execute(self._lost()):
            at = rfc3339(from_micros(row.finished_at))
            yield None, f"1 lost: nothing is recorded for run {row.id} of {self.parent}, which {row.state} at {at}"
        for row in tx.execute(self._doubled()):
            yield row.run, f"fired {row.times} times by run {row.parent_run}"
        for row in tx.execute(self._strange()):
            yield row.id, _told(row)

    def _firings(self) -> tuple[sa.ColumnElement[bool], ...]:
        return firing.c.job_key == self.key, sa.text("firing.origin = 'schedule'")  # type: ignore[return-value]

    def _near(self) -> sa.ColumnElement[bool]:
        return sa.and_(
            firing.c.scheduled_at >= end.c.finished_at, firing.c.scheduled_at < end.c.finished_at + sa.literal(APART)
        )

    def _lost(self) -> sa.Select[Any]:
        # what was to run again after a crash, and gave way to a newer firing, had not ended
        gave_way = sa.and_(end.c.state == RunState.CANCELLED, end.c.reason == Reason.OVERLAP)
        return (
            sa.select(end.c.id, end.c.state, end.c.finished_at)
            .where(
                end.c.job_id == self.parent,
                end.c.state.in_(self.states),
                end.c.started_at.is_not(None),
                end.c.finished_at > to_micros(self.since),
                sa.not_(sa.func.coalesce(gave_way, False)),
                ~sa.exists().where(*self._firings(), self._near(), firing.c.parent_run == end.c.id),
            )
            .order_by(end.c.id)
            .limit(MOST)
        )

    def _doubled(self) -> sa.Select[Any]:
        times = sa.func.count()
        return (
            sa.select(firing.c.parent_run, times.label("times"), sa.func.max(firing.c.id).label("run"))
            .where(*self._firings(), firing.c.parent_run.is_not(None))
            .group_by(firing.c.parent_run)
            .having(times > 1)
            .limit(MOST)
        )

    def _strange(self) -> sa.Select[Any]:
        """Select firings without a run that caused them, or with one that is not what this job comes after."""
        is_other = sa.or_(end.c.job_id != self.parent, end.c.state.not_in(self.states), sa.not_(self._near()))
        return (
            sa.select(firing.c.id, firing.c.parent_run, end.c.job_id, end.c.state)
            .select_from(firing.outerjoin(end, end.c.id == firing.c.parent_run))
            .where(
                *self._firings(),
                firing.c.scheduled_at > to_micros(self.since),
                sa.or_(firing.c.parent_run.is_(None), sa.and_(end.c.id.is_not(None), is_other)),
            )
            .limit(MOST)
        )


def _told(row: Any) -> str:
    if row.parent_run is None:
        return "fired, though no run ended that it comes after"
    return f"fired by run {row.parent_run} of {row.job_id}, which {row.state}: it does not come after that"


def since(changed_at: datetime, pruned_until: datetime | None) -> datetime:
    """Return from when on a job can be judged: what ended while it was being changed may be on either side of that."""
    settled = changed_at + timedelta(seconds=60)
    return settled if pruned_until is None else max(settled, pruned_until)
