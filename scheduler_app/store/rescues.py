"""Rescue: the runs of a dead engine are run again or become lost, in the transaction that declares it dead."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.outcome import MANY_CRASHES, MOST_CRASHES_ALONE
from scheduler_app.domain.policy import Delivery
from scheduler_app.domain.run import FINAL_STATES, Reason, RunState
from scheduler_app.store import engines
from scheduler_app.store.following import End, follow
from scheduler_app.store.jobs import finish_idle
from scheduler_app.store.lanes import wake_others
from scheduler_app.store.places import readmit, unblock
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import runs

HELD = Statement(
    sa.select(
        runs.c.id,
        runs.c.job_key,
        runs.c.job_id,
        runs.c.delivery,
        runs.c.alone,
        runs.c.crashes,
        runs.c.crashes_alone,
        runs.c.cancel_requested,
        runs.c.concurrency_key,
    ).where(sa.text("state = 'running'"), runs.c.engine == sa.bindparam("engine"))
)
END = Statement(
    runs.update()
    .where(runs.c.id == sa.bindparam("id_"), runs.c.state == RunState.RUNNING)
    .values(
        state=sa.bindparam("state_"),
        reason=sa.bindparam("reason_"),
        finished_at=sa.bindparam("finished_"),
        queued_at=sa.func.coalesce(sa.bindparam("queued_", type_=sa.BigInteger), runs.c.queued_at),
        ready_at=sa.func.coalesce(sa.bindparam("queued_", type_=sa.BigInteger), runs.c.ready_at),
        attempt=runs.c.attempt - sa.bindparam("uncharged_"),
        crashes=runs.c.crashes + sa.bindparam("crashes_"),
        suspicions=runs.c.suspicions + sa.bindparam("suspicions_"),
        crashes_alone=runs.c.crashes_alone + sa.bindparam("alone_"),
        alone=False,
        engine=sa.case((sa.bindparam("state_", type_=sa.Text) == RunState.QUEUED, None), else_=runs.c.engine),
        error_type=sa.bindparam("error_"),
        error_message=sa.bindparam("message_"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Rescue:
    """What became of the runs of an engine: run ids by what was done with them."""

    requeued: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()


def rescue(tx: sa.Connection, engine: int, *, beat: int, blamed: bool, now: datetime) -> Rescue | None:
    """Declare an engine dead and take its runs over; None when it lives, or somebody else did it first.

    A run that was alone when it died is blamed for that, unless the whole service was killed around it.
    """
    if not engines.declare_dead(tx, engine, beat=beat):
        return None
    return take_over(tx, engine, now=now, reason=Reason.CRASHED, blamed=blamed)


def take_over(tx: sa.Connection, engine: int, *, now: datetime, reason: Reason, blamed: bool = False) -> Rescue:
    """End or requeue every run that an ended engine still holds; a stop is not charged, a crash is."""
    held = HELD.rows(tx, engine=engine)
    if not held:
        return Rescue()
    ends = [_end(row, now, reason, blamed=blamed or row.crashes >= MANY_CRASHES) for row in held]
    END.many(tx, ends)
    wake_others(tx)
    keys = {row.job_key for row in held}
    unblock(tx, keys, {row.concurrency_key for row in held}, now)
    readmit(tx, [end["id_"] for end in ends if end["state_"] == RunState.QUEUED], now)
    follow(tx, _ends(held, ends, now), now)
    finish_idle(tx, keys)
    return _summary(ends)


def _ends(held: Sequence[Any], ends: Sequence[dict[str, Any]], now: datetime) -> Iterator[End]:
    for row, end in zip(held, ends, strict=True):
        if end["state_"] in FINAL_STATES:
            yield End(run=row.id, job_id=row.job_id, state=end["state_"], at=now)


def _summary(ends: Sequence[dict[str, Any]]) -> Rescue:
    return Rescue(
        requeued=tuple(end["id_"] for end in ends if end["state_"] == RunState.QUEUED),
        ended=tuple(end["id_"] for end in ends if end["state_"] != RunState.QUEUED),
    )


def _end(row: Any, now: datetime, reason: Reason, *, blamed: bool) -> dict[str, Any]:
    crashed = int(reason is Reason.CRASHED)
    suspected = int(crashed and blamed)
    state, message = _fate(row, suspected)
    return {
        "id_": row.id,
        "state_": state,
        "reason_": reason,
        "finished_": None if state is RunState.QUEUED else to_micros(now),
        "queued_": to_micros(now) if state is RunState.QUEUED else None,
        "uncharged_": int(state is RunState.QUEUED and not crashed),
        "crashes_": crashed,
        "suspicions_": suspected,
        "alone_": suspected * int(row.alone),
        "error_": None if message is None else "EngineDied",
        "message_": message,
    }


def _fate(row: Any, suspected: int) -> tuple[RunState, str | None]:
    if row.cancel_requested:
        return RunState.CANCELLED, None
    if row.delivery == Delivery.AT_MOST_ONCE:
        return RunState.LOST, "its engine ended while it ran, and it may not be started twice"
    if suspected and row.alone and row.crashes_alone + 1 >= MOST_CRASHES_ALONE:
        return RunState.FAILED, f"its engine died {MOST_CRASHES_ALONE} times while nothing else ran"
    return RunState.QUEUED, None
