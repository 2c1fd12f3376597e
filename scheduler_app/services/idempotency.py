"""Answer a call once: with a key that the caller chose, the same call again gets the same answer, and does nothing.

Invariant kept here: the answer is written in the transaction of what it answers, so that either both are there or
neither. Only calls that were carried out leave an answer; one that was refused may be mended and sent again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from scheduler_app.errors import Fault, KeyInFlight, KeyReused
from scheduler_app.services.context import Context
from scheduler_app.store import idempotency
from scheduler_app.store.idempotency import KeptAnswer, KeyedCall

T = TypeVar("T")
POINTER = "/Idempotency-Key"


@dataclass(frozen=True, kw_only=True)
class Once:
    """An answer, and whether it had been given before."""

    answer: KeptAnswer
    is_replay: bool


class _AlreadyDone(Exception):
    """Another process carried out the same call since it was looked for."""

    def __init__(self, answer: KeptAnswer) -> None:
        super().__init__()
        self.answer = answer


class _Keeping:
    """A store that keeps, with what a use case writes, the answer that will be given."""

    def __init__(self, ctx: Context, call: KeyedCall, render: Callable[[Any], KeptAnswer], now: datetime) -> None:
        self.answer: KeptAnswer | None = None
        self.read = ctx.database.read
        self._store = ctx.database
        self._call = call
        self._render = render
        self._now = now

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` and keep its answer, unless an answer is there."""

        def kept(tx: sa.Connection) -> T:
            found = _kept(tx, self._call, self._now)
            if found is not None:
                raise _AlreadyDone(found)
            result = work(tx)
            self.answer = self._render(result)
            idempotency.prune(tx, self._now)
            idempotency.keep(tx, self._call, self.answer, self._now)
            return result

        return self._store.write(kept)


def answer_once(
    call: KeyedCall, use_case: Callable[[Context], T], render: Callable[[T], KeptAnswer], *, ctx: Context
) -> Once:
    """Carry out a use case of one write, unless the same call was; KeyReused when the key belongs to another call."""
    now = ctx.clock.now()
    with ctx.database.read() as tx:
        found = _kept(tx, call, now)
    if found is not None:
        return Once(answer=found, is_replay=True)
    with ctx.underway.alone((call.api_key, call.key)) as alone:
        if not alone:
            detail = f"a call with this Idempotency-Key is being carried out, got {call.key!r}; ask again in a second"
            raise KeyInFlight(detail, faults=[Fault(pointer=POINTER, detail=detail)])
        return _carry_out(call, use_case, render, now, ctx)


def _carry_out(
    call: KeyedCall, use_case: Callable[[Context], T], render: Callable[[T], KeptAnswer], now: datetime, ctx: Context
) -> Once:
    keeping = _Keeping(ctx, call, render, now)
    try:
        use_case(ctx.keeping(keeping))
    except _AlreadyDone as done:
        return Once(answer=done.answer, is_replay=True)
    assert keeping.answer is not None, "a use case that is answered once writes"
    return Once(answer=keeping.answer, is_replay=False)


def _kept(tx: sa.Connection, call: KeyedCall, now: datetime) -> KeptAnswer | None:
    found = idempotency.find(tx, call, now)
    if found is None:
        return None
    fingerprint, answer = found
    if fingerprint != call.fingerprint:
        detail = (
            f"this Idempotency-Key was used for another call within 24 hours, got {call.key!r}; "
            "send the same path and body with it, or choose a new key"
        )
        raise KeyReused(detail, faults=[Fault(pointer=POINTER, detail=detail)])
    return answer
