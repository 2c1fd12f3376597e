"""What is asked of one engine: to take no new runs, to take them again, to be forgotten when it is gone."""

from dataclasses import dataclass

import sqlalchemy as sa

from scheduler_app.clock import rfc3339
from scheduler_app.domain.change import What, of_engine
from scheduler_app.errors import Conflict, NotFound
from scheduler_app.services.context import Context
from scheduler_app.services.trail import noting
from scheduler_app.store import claims, engines
from scheduler_app.store.engines import LIVE, EngineRow, EngineState


@dataclass(frozen=True, kw_only=True)
class EngineView:
    """An engine, with how many runs it holds by executor."""

    row: EngineRow
    held: dict[str, int]


def drain_engine(engine: int, *, ctx: Context) -> EngineView:
    """Let an engine take no new runs, of which it hears within a second; what it has goes on, and it fires."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> EngineView:
        row = _living(tx, engine)
        if row.is_celery:
            raise Conflict(
                f"engine {engine} is a process of a Celery worker, which goes by its messages: stop that worker with "
                "SIGTERM, it finishes what it has"
            )
        if engines.drain(tx, engine, now):
            after = {"node": row.node, "pid": row.pid, "since": rfc3339(now)}
            noting(tx, ctx, now).change(What.ENGINE_DRAINED, of_engine(engine), after=after)
        return _view(tx, engine)

    return ctx.database.write(work)


def resume_engine(engine: int, *, ctx: Context) -> EngineView:
    """Let an engine take runs again; one that is not drained goes on."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> EngineView:
        row = _living(tx, engine)
        if row.state is EngineState.DRAINING and row.drained_at is None:
            raise Conflict(f"engine {engine} stops: its process was told to end, and starts no more")
        if engines.resume(tx, engine):
            before = {"node": row.node, "pid": row.pid, "since": row.drained_at and rfc3339(row.drained_at)}
            noting(tx, ctx, now).change(What.ENGINE_RESUMED, of_engine(engine), before=before)
        return _view(tx, engine)

    return ctx.database.write(work)


def forget_engine(engine: int, *, ctx: Context) -> None:
    """Remove the row of an engine that is gone; what it executed keeps its history."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> None:
        row = _known(tx, engine)
        if row.state in LIVE:
            raise Conflict(
                f"engine {engine} on {row.node} is {row.state}: its last beat was at {rfc3339(row.beat_at)}; it can be "
                "forgotten when it has stopped, or when the others have found it dead, within 45 s"
            )
        if engines.forget(tx, engine):
            before = {"node": row.node, "pid": row.pid, "state": row.state}
            noting(tx, ctx, now).change(What.ENGINE_FORGOTTEN, of_engine(engine), before=before)

    ctx.database.write(work)


def _known(tx: sa.Connection, engine: int) -> EngineRow:
    row = engines.get(tx, engine)
    if row is None:
        raise NotFound(f"there is no engine {engine}")
    return row


def _living(tx: sa.Connection, engine: int) -> EngineRow:
    row = _known(tx, engine)
    if row.state not in LIVE:
        raise Conflict(f"engine {engine} on {row.node} has ended, it is {row.state}")
    return row


def _view(tx: sa.Connection, engine: int) -> EngineView:
    return EngineView(row=_known(tx, engine), held=claims.holdings(tx).get(engine, {}))
