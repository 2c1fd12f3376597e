"""Engines in the store: each raises its beat; a beat that stands still, or a process that is gone, means a dead one."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.compact import compact
from scheduler_app.store.dues import Share
from scheduler_app.store.identity import Identity
from scheduler_app.store.rows import micros, moment
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import engines

# that it keeps roll-ups and the statistics of jobs; an older version says nothing
BOOKS = 1


class EngineState(StrEnum):
    """Whether an engine takes work, ends, or has ended."""

    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"
    DEAD = "dead"


Executors = Mapping[str, Mapping[str, int]]
LIVE = (EngineState.RUNNING, EngineState.DRAINING)


BEAT = Statement(
    engines.update()
    .where(engines.c.id == sa.bindparam("engine_"), sa.text("state IN ('running', 'draining')"))
    .values(
        beat=engines.c.beat + 1,
        beat_at=sa.bindparam("now_"),
        tasks=sa.bindparam("tasks_"),
        executors=sa.func.coalesce(sa.bindparam("executors_", type_=sa.Text), engines.c.executors),
        last_pass_at=sa.bindparam("passed_"),
        commit_seconds=sa.bindparam("commit_"),
        lag=sa.bindparam("lag_"),
        claims=sa.bindparam("claims_"),
    )
)
LIVE_ENGINES = Statement(sa.select(engines).where(sa.text("state IN ('running', 'draining')")).order_by(engines.c.id))

OLDEST = Statement(
    sa.select(engines.c.id).where(sa.text("state IN ('running', 'draining')")).order_by(engines.c.id).limit(1)
)
# of those that fire, how many came before one, and how many there are
_numbers: tuple[sa.ColumnElement[Any], ...] = (
    sa.func.count().filter(engines.c.id < sa.bindparam("engine_")).label("number"),
    sa.func.count().label("shares"),
)
SHARES = Statement(
    sa.select(*_numbers).where(sa.text("state IN ('running', 'draining')"), engines.c.celery_pool.is_(None))
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineRow(Identity):
    """An engine as the others see it, with the process it lives in.

    `drained_at` is since when it takes no new runs because somebody wants that; one that stops drains without it.
    `celery_pool` is the kind of pool, if it lives in a process of Celery's.
    """

    id: int
    slots: int
    executors: dict[str, dict[str, int]]
    tasks: tuple[str, ...]
    state: EngineState
    beat: int
    started_at: datetime
    beat_at: datetime
    last_pass_at: datetime | None
    commit_seconds: float | None
    drained_at: datetime | None
    lag: float | None
    claims: float | None
    celery_pool: str | None

    @property
    def is_celery(self) -> bool:
        """Whether it lives in a process of a Celery worker; one of an older version does not say of which pool."""
        return self.celery_pool is not None or set(self.executors) == {"celery"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """What an engine says of itself with its beat; None of `executors` leaves them as they were."""

    tasks: Collection[str]
    executors: Executors | None = None
    passed_at: datetime | None
    commit_seconds: float | None = None
    lag: float | None = None
    claims: float | None = None


def register(
    tx: sa.Connection,
    identity: dict[str, Any],
    *,
    tasks: Collection[str],
    slots: int,
    now: datetime,
    executors: Executors | None = None,
) -> int:
    """Add an engine and return its id; `slots` are those of threads.

    `identity` has the fields of an `Identity`, and `celery_pool` in a process of Celery's.
    """
    values = identity | {
        "slots": slots,
        "executors": compact(executors or {"thread": {"slots": slots}}),
        "tasks": compact(sorted(tasks)),
        "state": EngineState.RUNNING,
        "books": BOOKS,
        "beat": 1,
        "started_at": to_micros(now),
        "beat_at": to_micros(now),
    }
    return int(tx.execute(engines.insert().returning(engines.c.id), values).scalar_one())


def raise_beat(tx: sa.Connection, engine: int, told: Beat, now: datetime) -> bool:
    """Raise an engine's beat, and say how it is; False when others hold it for dead."""
    values = {
        "tasks_": compact(sorted(told.tasks)),
        "executors_": None if told.executors is None else compact(told.executors),
        "passed_": micros(told.passed_at),
        "commit_": told.commit_seconds,
        "lag_": told.lag,
        "claims_": told.claims,
        "now_": to_micros(now),
    }
    return BEAT.run(tx, engine_=engine, **values) == 1


def set_state(tx: sa.Connection, engine: int, state: EngineState) -> None:
    """Say that an engine stops, or has stopped; nobody can take that back."""
    ours = engines.c.id == engine, engines.c.state.in_(LIVE)
    tx.execute(engines.update().where(*ours).values(state=state, drained_at=None))


def drain(tx: sa.Connection, engine: int, now: datetime) -> bool:
    """Let a running engine take no new runs; whether this call did it."""
    ours = engines.c.id == engine, engines.c.state == EngineState.RUNNING
    values = {"state": EngineState.DRAINING, "drained_at": to_micros(now)}
    return tx.execute(engines.update().where(*ours).values(values)).rowcount == 1


def resume(tx: sa.Connection, engine: int) -> bool:
    """Let an engine that somebody has drained take runs again; whether this call did it."""
    drained = engines.c.state == EngineState.DRAINING, engines.c.drained_at.is_not(None)
    values = {"state": EngineState.RUNNING, "drained_at": None}
    return tx.execute(engines.update().where(engines.c.id == engine, *drained).values(values)).rowcount == 1


def declare_dead(tx: sa.Connection, engine: int, *, beat: int) -> bool:
    """Declare an engine dead if its beat is still the one seen; whether this call did it."""
    changed = tx.execute(
        engines.update()
        .where(engines.c.id == engine, engines.c.beat == beat, engines.c.state.in_(LIVE))
        .values(state=EngineState.DEAD)
    ).rowcount
    return changed == 1


def live(tx: sa.Connection) -> list[EngineRow]:
    """Return the engines that have not ended."""
    return [_engine(row) for row in LIVE_ENGINES.rows(tx)]


def share_of(tx: sa.Connection, engine: int) -> Share:
    """Return the share of the jobs that an engine is to fire first, among all that fire."""
    ((number, shares),) = SHARES.rows(tx, engine_=engine)
    return Share(number, max(number + 1, shares))


def is_oldest(tx: sa.Connection, engine: int | None) -> bool:
    """Whether an engine is the first of those that have not ended, which does what one alone should do."""
    return engine is not None and OLDEST.scalar(tx) in (None, engine)


def get(tx: sa.Connection, engine: int) -> EngineRow | None:
    """Return an engine, None when there is none of that id."""
    row = tx.execute(sa.select(engines).where(engines.c.id == engine)).first()
    return None if row is None else _engine(row)


def known(tx: sa.Connection, most_ended: int) -> list[EngineRow]:
    """Return every engine that has not ended, and the newest that have stopped or died; the newest first."""
    shown = [engines.c.state.in_(LIVE)]
    for state in (EngineState.STOPPED, EngineState.DEAD):
        ended = sa.select(engines.c.id).where(engines.c.state == state).order_by(engines.c.id.desc()).limit(most_ended)
        shown.append(engines.c.id.in_(ended))
    return [_engine(row) for row in tx.execute(sa.select(engines).where(sa.or_(*shown)).order_by(engines.c.id.desc()))]


def forget(tx: sa.Connection, engine: int) -> bool:
    """Remove the row of an engine that has ended; whether this call did it."""
    ours = engines.c.id == engine, engines.c.state.not_in(LIVE)
    return tx.execute(engines.delete().where(*ours)).rowcount == 1


def _engine(row: sa.Row[Any]) -> EngineRow:
    return EngineRow(
        **{field.name: getattr(row, field.name) for field in fields(Identity)},
        id=row.id,
        slots=row.slots,
        # an engine of an older version says nothing of them
        executors=json.loads(row.executors) if row.executors else {"thread": {"slots": row.slots}},
        tasks=tuple(json.loads(row.tasks)),
        state=EngineState(row.state),
        beat=row.beat,
        started_at=from_micros(row.started_at),
        beat_at=from_micros(row.beat_at),
        last_pass_at=moment(row.last_pass_at),
        commit_seconds=row.commit_seconds,
        drained_at=moment(row.drained_at),
        lag=row.lag,
        claims=row.claims,
        celery_pool=row.celery_pool,
    )
