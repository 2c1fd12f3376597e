"""Start: a firing that nothing stands before is written as running, in place of being queued, found and claimed.

It is claimed as if it had been found in the queue within the same transaction: by the same choice, under a token.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.policy import Delivery
from scheduler_app.domain.run import Claim, RunState
from scheduler_app.store import endings
from scheduler_app.store.endings import MANY, Ending
from scheduler_app.store.runs import BY_HAND
from scheduler_app.store.statement import Insert, Statement
from scheduler_app.store.tables import runs
from scheduler_app.values import value

FIRED = (*BY_HAND, "finished_at", "missed_since", "missed_until", "missed_count")
STARTED = (*(name for name in BY_HAND if name != "reason"), "attempt", "engine", "token", "started_at")
# a clock that was set back may find a time that has fired already
UNLESS_FIRED = postgresql.insert(runs).on_conflict_do_nothing()
FIRING = ("job_key", "scheduled_at")
INSERT = Statement(UNLESS_FIRED, columns=FIRED, named=FIRING)
RECORD = Insert(UNLESS_FIRED, runs.c.id, columns=FIRED, named=FIRING)
START = Insert(UNLESS_FIRED, runs.c.id, columns=STARTED, named=FIRING)
RUNNING = str(RunState.RUNNING)  # the driver takes three times as long to bind a member of an enumeration


class Fate(Enum):
    """What becomes of a firing as it is written."""

    STARTS = auto()
    WAITS = auto()
    RECORDED = auto()


@value
class Newborn:
    """A firing that is about to be queued, as a candidate."""

    row: dict[str, Any]
    task: str
    delivery: str
    executor: str
    ready_at: int
    suspicions: int = 0


@dataclass(kw_only=True)
class Starter:
    """An engine that claims firings as they are written: which of them `choose` says, given in starting order."""

    engine: int
    token: int
    now: datetime
    choose: Callable[[Sequence[Newborn]], Iterable[Newborn]]
    taken: list[Claim] = field(default_factory=list)

    @property
    def claims(self) -> list[Claim]:
        """What was claimed, in starting order."""
        return self.taken if len(self.taken) < 2 else sorted(self.taken, key=lambda claim: -claim.priority)

    def mark(self, rows: Sequence[dict[str, Any]]) -> None:
        """Let the rows of what is chosen say that it runs."""
        queued = [row for row in rows if row["state"] == RunState.QUEUED]
        if len(queued) > 1:
            queued.sort(key=lambda row: -row["priority"])
        started = {
            "state": RUNNING,
            "attempt": 1,
            "engine": self.engine,
            "token": self.token,
            "started_at": to_micros(self.now),
        }
        for newborn in self.choose([_newborn(row) for row in queued]):
            newborn.row.update(started)


def _newborn(row: dict[str, Any]) -> Newborn:
    return Newborn(
        row=row, task=row["task"], delivery=row["delivery"], executor=row["executor"], ready_at=row["ready_at"]
    )


def write_firings(tx: sa.Connection, rows: Sequence[dict[str, Any]], starter: Starter | None = None) -> set[int]:
    """Write firings in their order; return jobs that have an open run now, as far as that is known."""
    opened = set[int]()
    if starter is not None:
        starter.mark(rows)
    for state, group in groupby(rows, key=_fate):
        written = list(group)
        if state is Fate.WAITS:
            if INSERT.many(tx, written) == len(written):
                opened.update(row["job_key"] for row in written)
            continue
        ids = (START if state is Fate.STARTS else RECORD).keys(tx, written)
        known = [(row, key) for row, key in zip(written, ids, strict=True) if key is not None]
        if starter is not None and state is Fate.STARTS:
            starter.taken += [_claim(row, key) for row, key in known]
            opened.update(row["job_key"] for row, _ in known)
        else:
            endings.note(tx, (ending_of(row, key) for row, key in known))
    return opened


def _fate(row: dict[str, Any]) -> Fate:
    if row["state"] == RUNNING:
        return Fate.STARTS
    return Fate.WAITS if row["finished_at"] is None else Fate.RECORDED


def ending_of(row: dict[str, Any], run_id: int) -> Ending:
    """Return how a firing ends that is not executed."""
    firings = 1
    if row["state"] == RunState.MISSED:
        firings = MANY if row["missed_count"] is None else row["missed_count"]
    return Ending(row["job_key"], run_id, row["state"], row["scheduled_at"], None, row["finished_at"], firings)


def _claim(row: dict[str, Any], run_id: int) -> Claim:
    return Claim(
        run_id=run_id,
        token=row["token"],
        job_key=row["job_key"],
        job_id=row["job_id"],
        task=row["task"],
        args=row["args"],
        kwargs=row["kwargs"],
        origin=row["origin"],
        scheduled_at=from_micros(row["scheduled_at"]),
        ready_at=from_micros(row["ready_at"]),
        attempt=1,
        max_attempts=row["max_attempts"],
        crashes=0,
        suspicions=0,
        alone=False,
        priority=row["priority"],
        concurrency_key=row["concurrency_key"],
        timeout=row["timeout"],
        delivery=Delivery(row["delivery"]),
        retry=row["retry"],
        first_run=run_id,
    )
