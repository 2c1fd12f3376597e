"""Start: a firing that nothing stands before is written as running, in place of being queued, found and claimed.

It is claimed as if it had been found in the queue within the same transaction: by the same choice, under a token.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.policy import Delivery
from scheduler_app.domain.run import Claim, RunState
from scheduler_app.store.statement import Insert, Statement
from scheduler_app.store.tables import runs

WANTED = (
    "job_key",
    "job_id",
    "task",
    "args",
    "kwargs",
    "origin",
    "scheduled_at",
    "ready_at",
    "queued_at",
    "state",
    "max_attempts",
    "priority",
    "concurrency_key",
    "timeout",
    "delivery",
    "retry",
    "executor",
)
FIRED = (*WANTED, "reason", "finished_at", "missed_since", "missed_until", "missed_count")
# a clock that was set back may find a time that has fired already
INSERT = Statement(postgresql.insert(runs).on_conflict_do_nothing(), columns=FIRED)
START = Insert(
    postgresql.insert(runs).on_conflict_do_nothing(),
    runs.c.id,
    columns=(*WANTED, "attempt", "engine", "token", "started_at"),
)
RUNNING = str(RunState.RUNNING)  # the driver takes three times as long to bind a member of an enumeration


@dataclass(frozen=True, kw_only=True, slots=True)
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
        return sorted(self.taken, key=lambda claim: -claim.priority)

    def mark(self, rows: Sequence[dict[str, Any]]) -> None:
        """Let the rows of what is chosen say that it runs."""
        queued = sorted((row for row in rows if row["state"] == RunState.QUEUED), key=lambda row: -row["priority"])
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


def write_firings(tx: sa.Connection, rows: Sequence[dict[str, Any]], starter: Starter | None = None) -> None:
    """Write firings in their order."""
    if starter is None:
        INSERT.many(tx, rows)
        return
    starter.mark(rows)
    for starts, group in groupby(rows, key=lambda row: row["state"] == RUNNING):
        if starts:
            written = list(group)
            ids = START.keys(tx, written)
            starter.taken += [_claim(row, key) for row, key in zip(written, ids, strict=True) if key is not None]
        else:
            INSERT.many(tx, group)


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
