"""Settle: result, error, retry decision and the next attempt's time are one write, by the holder of the token.

Invariant kept here: a run leaves `running` only once for a token. Whoever comes later, because the run was rescued,
timed out or cancelled meanwhile, is refused, and that is counted on the run. Who settles once more, because the driver
failed at a commit that happened all the same, is not late: its own end stands in the row.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.outcome import Outcome, Settlement
from scheduler_app.domain.run import Claim, Reason, RunState
from scheduler_app.store import attempts, endings
from scheduler_app.store.endings import Ending
from scheduler_app.store.following import End, follow
from scheduler_app.store.jobs import finish_left
from scheduler_app.store.places import unblock
from scheduler_app.store.rows import micros
from scheduler_app.store.standing import Standing, standing
from scheduler_app.store.statement import Among, Statement, still
from scheduler_app.store.tables import jobs, runs
from scheduler_app.values import value

HELD = Statement(sa.select(runs.c.id, runs.c.token).where(Among(runs.c.id, "ids"), runs.c.state == RunState.RUNNING))
END = (
    runs.update()
    .where(
        runs.c.id == sa.bindparam("id_"), runs.c.token == sa.bindparam("token_"), still(runs.c.state, RunState.RUNNING)
    )
    .values(
        started_at=sa.bindparam("started_"),
        finished_at=sa.bindparam("finished_"),
        result=sa.bindparam("result_"),
        alone=False,
        cancel_requested=False,
    )
)
WRITE = Statement(
    END.values(
        state=sa.bindparam("state_"),
        reason=sa.bindparam("reason_"),
        ready_at=sa.func.coalesce(sa.bindparam("ready_", type_=sa.BigInteger), runs.c.ready_at),
        error_type=sa.bindparam("type_"),
        error_message=sa.bindparam("message_"),
        error_traceback=sa.bindparam("traceback_"),
    ),
    named=("id_",),
)
# most runs end well, and what need not be told costs the driver nothing
WRITE_SUCCESS = Statement(
    END.values(state=RunState.SUCCEEDED, reason=None, error_type=None, error_message=None, error_traceback=None),
    named=("id_",),
)
WRITTEN = Statement(
    sa.select(runs.c.id, runs.c.token, runs.c.state, runs.c.error_type, runs.c.started_at, runs.c.finished_at).where(
        Among(runs.c.id, "ids"), runs.c.state != RunState.RUNNING
    )
)
REFUSE = Statement(runs.update().where(runs.c.id == sa.bindparam("id_")).values(late_results=runs.c.late_results + 1))
ORPHANS = Statement(
    runs.update()
    .where(
        runs.c.id == sa.bindparam("id_"),
        runs.c.state == RunState.SCHEDULED,
        ~sa.exists().where(jobs.c.key == runs.c.job_key),
    )
    .values(state=RunState.CANCELLED, reason=Reason.JOB_DELETED)
)


def held(tx: sa.Connection, claims: Iterable[Claim]) -> set[tuple[int, int]]:
    """Return which of these claims still hold their run: pairs of run id and token."""
    ids = [claim.run_id for claim in claims]
    return {(row.id, row.token) for row in HELD.rows(tx, ids=ids)} if ids else set()


@value
class Settled:
    """The outcomes that came too late; and how things stand then, unless what followed may have changed that."""

    late: Sequence[Outcome] = ()
    standing: Standing | None = None


def settle(
    tx: sa.Connection, settlements: Sequence[Settlement], now: datetime, firing: Collection[int] = ()
) -> Settled:
    """Write how attempts ended, queue what waited for their places, and fire what comes after them.

    The jobs `firing` are about to fire in this transaction: whether anything is left of them is not asked here.
    """
    if not settlements:
        return Settled()
    valid, refused = _write(tx, settlements)
    how = standing(tx)
    if valid:
        _go_on(tx, valid, now, how, firing)
    late = _refuse_late(tx, refused) if refused else ()
    return Settled(late=late, standing=None if how.is_any_blocked or how.is_any_after else how)


def _write(tx: sa.Connection, settlements: Sequence[Settlement]) -> tuple[list[Settlement], list[Settlement]]:
    """Write how attempts ended, in their order; return those whose claims still held, and the others."""
    held: list[Settlement] = []
    refused: list[Settlement] = []
    for is_success, group in groupby(settlements, key=lambda one: one.state is RunState.SUCCEEDED):
        alike = list(group)
        rows = map(_success, alike) if is_success else map(_values, alike)
        for settlement, changed in zip(alike, (WRITE_SUCCESS if is_success else WRITE).each(tx, rows), strict=True):
            (held if changed else refused).append(settlement)
    return held, refused


def _go_on(
    tx: sa.Connection, settlements: Sequence[Settlement], now: datetime, how: Standing, firing: Collection[int]
) -> None:
    """Let go on what waited for these ends, and finish the jobs that have nothing left."""
    orphans = _cancel_orphans(tx, settlements)
    endings.note(tx, _endings(settlements, {end.run for end in orphans}))
    keys = {settlement.outcome.claim.job_key for settlement in settlements}
    if how.is_any_blocked:
        unblock(tx, [*keys], {settlement.outcome.claim.concurrency_key for settlement in settlements}, now)
    finish_left(tx, keys.difference(firing))
    if how.is_any_after:
        final = (_end(settlement) for settlement in settlements if settlement.state is not RunState.SCHEDULED)
        follow(tx, chain(final, orphans), now, how)


def _refuse_late(tx: sa.Connection, settlements: Sequence[Settlement]) -> Sequence[Outcome]:
    """Count on their runs, and return, the outcomes that came too late: not they stand in the rows."""
    written = {tuple(row) for row in WRITTEN.rows(tx, ids=[s.outcome.claim.run_id for s in settlements])}
    late = [settlement.outcome for settlement in settlements if _trace(settlement) not in written]
    REFUSE.many(tx, [{"id_": outcome.claim.run_id} for outcome in late])
    return late


def _trace(settlement: Settlement) -> tuple[object, ...]:
    """Return what a settlement leaves in its run's row."""
    outcome, values = settlement.outcome, _values(settlement)
    return (*outcome.claim.held, *(values[name] for name in ("state_", "type_", "started_", "finished_")))


def _end(settlement: Settlement, state: RunState | None = None) -> End:
    claim = settlement.outcome.claim
    at = settlement.outcome.finished_at
    return End(run=claim.run_id, job_id=claim.job_id, state=state or settlement.state, at=at)


def _endings(settlements: Sequence[Settlement], cancelled: set[int]) -> Iterator[Ending]:
    """Yield how the runs ended that will not be tried again."""
    for settlement in settlements:
        outcome, state = settlement.outcome, settlement.state
        claim = outcome.claim
        if claim.run_id in cancelled:
            state = RunState.CANCELLED
        if state is not RunState.SCHEDULED:
            job, scheduled_at = endings.job_of(claim.job_key, claim.origin), to_micros(claim.scheduled_at)
            started_at, finished_at = to_micros(outcome.started_at), to_micros(outcome.finished_at)
            yield Ending(job, claim.run_id, state, scheduled_at, started_at, finished_at)


def _cancel_orphans(tx: sa.Connection, settlements: Sequence[Settlement]) -> list[End]:
    """Keep how attempts ended that are followed by others; those of deleted jobs are not, since a delete cancels what
    waits. Return the ends that this makes."""
    retries = [settlement for settlement in settlements if settlement.state is RunState.SCHEDULED]
    if not retries:
        return []
    attempts.keep(tx, [retry.outcome for retry in retries])
    cancelled = ORPHANS.each(tx, [{"id_": retry.outcome.claim.run_id} for retry in retries])
    return [_end(retry, RunState.CANCELLED) for retry, changed in zip(retries, cancelled, strict=True) if changed]


def _success(settlement: Settlement) -> dict[str, Any]:
    outcome = settlement.outcome
    return {
        "id_": outcome.claim.run_id,
        "token_": outcome.claim.token,
        "started_": to_micros(outcome.started_at),
        "finished_": to_micros(outcome.finished_at),
        "result_": outcome.result,
    }


def _values(settlement: Settlement) -> dict[str, Any]:
    error = settlement.outcome.error
    return _success(settlement) | {
        "state_": settlement.state,
        "reason_": settlement.reason,
        "ready_": micros(settlement.ready_at),
        "type_": error.type if error else None,
        "message_": error.message if error else None,
        "traceback_": error.traceback if error else None,
    }
