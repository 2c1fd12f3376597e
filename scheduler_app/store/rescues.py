"""Rescue: the runs of a dead engine are run again or become lost, in the transaction that declares it dead."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.outcome import MANY_CRASHES, MOST_CRASHES_ALONE
from scheduler_app.domain.policy import Delivery, Executor
from scheduler_app.domain.run import FINAL_STATES, Reason, RunState
from scheduler_app.store import attempts, endings, engines
from scheduler_app.store.endings import Ending
from scheduler_app.store.following import End, follow
from scheduler_app.store.jobs import finish_idle
from scheduler_app.store.lanes import wake_others
from scheduler_app.store.limits import note_over
from scheduler_app.store.places import readmit, unblock
from scheduler_app.store.statement import Among, Statement
from scheduler_app.store.tables import runs

RUNNING = sa.select(
    runs.c.id,
    runs.c.token,
    runs.c.job_key,
    runs.c.job_id,
    runs.c.delivery,
    runs.c.executor,
    runs.c.alone,
    runs.c.attempt,
    runs.c.crashes,
    runs.c.crashes_alone,
    runs.c.cancel_requested,
    runs.c.concurrency_key,
    runs.c.origin,
    runs.c.scheduled_at,
    runs.c.started_at,
).where(sa.text("state = 'running'"))
HELD = Statement(RUNNING.where(runs.c.engine == sa.bindparam("engine")))
CLAIMED = Statement(RUNNING.where(Among(runs.c.id, "ids")))
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


@dataclass(frozen=True, kw_only=True)
class Death:
    """How to tell of what a run executed in and died with it: the first time, and when it has died often."""

    error: str
    once: str
    often: str


ENGINE_DIED = Death(error="EngineDied", once="its engine ended while it ran", often="its engine died")


def rescue(tx: sa.Connection, engine: int, *, beat: int, blamed: bool, now: datetime) -> Rescue | None:
    """Declare an engine dead and take its runs over; None when it lives, or somebody else did it first.

    A run that was alone when it died is blamed for that, unless the whole service was killed around it.
    """
    if not engines.declare_dead(tx, engine, beat=beat):
        return None
    return take_over(tx, engine, now=now, reason=Reason.CRASHED, blamed=blamed)


def take_over(tx: sa.Connection, engine: int, *, now: datetime, reason: Reason, blamed: bool = False) -> Rescue:
    """End or requeue every run that an ended engine still holds; a stop is not charged, a crash is.

    What executed in another process than the engine's has not killed it, unless that happens again and again.
    """
    held = HELD.rows(tx, engine=engine)
    crashed = reason is Reason.CRASHED
    ends = []
    for row in held:
        may_be_it = blamed and row.executor == Executor.THREAD
        suspected = crashed and (may_be_it or row.crashes >= MANY_CRASHES)
        # a process of Celery's is an engine of one slot: nothing else can have ended it
        alone = crashed and blamed if row.executor == Executor.CELERY else suspected and row.alone
        ends.append(_end(row, now, reason, suspected=suspected, alone=alone, death=ENGINE_DIED))
    return _conclude(tx, held, ends, now)


def crash(tx: sa.Connection, deaths: Mapping[tuple[int, int], str], now: datetime) -> Rescue:
    """End or requeue runs, named by id and token, whose worker processes died: each was alone in its own."""
    held = CLAIMED.rows(tx, ids=[run_id for run_id, _ in deaths]) if deaths else []
    held = [row for row in held if (row.id, row.token) in deaths]
    ends = []
    for row in held:
        death = Death(error="WorkerDied", once=deaths[row.id, row.token], often=deaths[row.id, row.token])
        ends.append(_end(row, now, Reason.CRASHED, suspected=False, alone=True, death=death))
    return _conclude(tx, held, ends, now)


def _conclude(tx: sa.Connection, held: Sequence[Any], ends: Sequence[dict[str, Any]], now: datetime) -> Rescue:
    """Write what became of runs, and let those go on that waited for them."""
    if not held:
        return Rescue()
    END.many(tx, ends)
    attempts.keep_crashed(tx, _repeated(held, ends), to_micros(now))
    endings.note(tx, _endings(held, ends))
    note_over(tx, [(row.id, row.token) for row in held], now)
    wake_others(tx)
    keys = {row.job_key for row in held}
    unblock(tx, keys, {row.concurrency_key for row in held}, now)
    readmit(tx, [end["id_"] for end in ends if end["state_"] == RunState.QUEUED], now)
    follow(tx, _ends(held, ends, now), now)
    finish_idle(tx, keys)
    return _summary(ends)


def _repeated(held: Sequence[Any], ends: Sequence[dict[str, Any]]) -> Iterator[Any]:
    """Yield the runs that crashed and are tried again."""
    for row, end in zip(held, ends, strict=True):
        if end["crashes_"] and end["state_"] == RunState.QUEUED:
            yield row


def _ends(held: Sequence[Any], ends: Sequence[dict[str, Any]], now: datetime) -> Iterator[End]:
    for row, end in zip(held, ends, strict=True):
        if end["state_"] in FINAL_STATES:
            yield End(run=row.id, job_id=row.job_id, state=end["state_"], at=now)


def _endings(held: Sequence[Any], ends: Sequence[dict[str, Any]]) -> Iterator[Ending]:
    for row, end in zip(held, ends, strict=True):
        if end["state_"] in FINAL_STATES:
            job = endings.job_of(row.job_key, row.origin)
            yield Ending(job, row.id, end["state_"], row.scheduled_at, row.started_at, end["finished_"])


def _summary(ends: Sequence[dict[str, Any]]) -> Rescue:
    return Rescue(
        requeued=tuple(end["id_"] for end in ends if end["state_"] == RunState.QUEUED),
        ended=tuple(end["id_"] for end in ends if end["state_"] != RunState.QUEUED),
    )


def _end(row: Any, now: datetime, reason: Reason, *, suspected: bool, alone: bool, death: Death) -> dict[str, Any]:
    crashed = int(reason is Reason.CRASHED)
    state, message = _fate(row, death, guilty=alone and row.crashes_alone + 1 >= MOST_CRASHES_ALONE)
    return {
        "id_": row.id,
        "state_": state,
        "reason_": reason,
        "finished_": None if state is RunState.QUEUED else to_micros(now),
        "queued_": to_micros(now) if state is RunState.QUEUED else None,
        "uncharged_": int(state is RunState.QUEUED and not crashed),
        "crashes_": crashed,
        "suspicions_": int(suspected),
        "alone_": int(alone),
        "error_": None if message is None else death.error,
        "message_": message,
    }


def _fate(row: Any, death: Death, *, guilty: bool) -> tuple[RunState, str | None]:
    if row.cancel_requested:
        return RunState.CANCELLED, None
    if row.delivery == Delivery.AT_MOST_ONCE:
        return RunState.LOST, f"{death.once}, and it may not be started twice"
    if guilty:
        return RunState.FAILED, f"{death.often} {MOST_CRASHES_ALONE} times while nothing else ran"
    return RunState.QUEUED, None
