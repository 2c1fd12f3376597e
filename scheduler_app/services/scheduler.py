"""The scheduler as a whole: every engine, the backlog, and the pause that holds for all processes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import rfc3339
from scheduler_app.domain.change import What
from scheduler_app.domain.run import RunState
from scheduler_app.services.context import Context
from scheduler_app.services.limits import LimitView, view_limits
from scheduler_app.services.planning import fire_single, lapse
from scheduler_app.services.trail import noting
from scheduler_app.store import claims, dues, engines, facts, numbers, orphans, pauses
from scheduler_app.store.engines import LIVE, EngineRow, EngineState

BATCH = 500
ENDED_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class SchedulerView:
    """What `GET /scheduler` tells. `lag` is how many seconds the longest overdue job waits.

    `holdings` is how many runs each engine holds by executor, `unknown_tasks` what jobs name and no engine has. Runs
    and jobs are counted up to 10,001.
    """

    paused: dict[str, Any] | None
    engines: list[EngineRow]
    holdings: dict[int, dict[str, int]]
    limits: list[LimitView]
    unknown_tasks: list[str]
    backlog: int
    open_runs: dict[str, int]
    jobs: dict[str, int]
    next_run_time: datetime | None
    lag: float
    now: datetime

    @property
    def living(self) -> list[EngineRow]:
        """The engines that live, those in processes of Celery workers too."""
        return [engine for engine in self.engines if engine.state in LIVE]

    @property
    def alive(self) -> list[EngineRow]:
        """The engines that live and fire."""
        return [engine for engine in self.living if not engine.is_celery]

    @property
    def drained(self) -> list[EngineRow]:
        """The engines that live and take no new runs, as somebody wants."""
        return [engine for engine in self.alive if engine.drained_at is not None]

    @property
    def gone(self) -> list[EngineRow]:
        """The engines that died and that none has followed where they were, until they are forgotten."""
        replaced = {engine.id for engine in self.replaced}
        return [engine for engine in self._dead if engine.id not in replaced]

    @property
    def replaced(self) -> list[EngineRow]:
        """The engines that died, and for each of which another was started on the same node since."""
        free = sorted(self.engines, key=lambda engine: engine.started_at)
        found = []
        for dead in sorted(self._dead, key=lambda engine: engine.beat_at):
            heirs = (
                one for one in free if one.node == dead.node and one.started_at > dead.beat_at and not one.is_celery
            )
            if (heir := next(heirs, None)) is not None:
                free.remove(heir)
                found.append(dead)
        return found

    @property
    def _dead(self) -> list[EngineRow]:
        return [engine for engine in self.engines if engine.state is EngineState.DEAD and not engine.is_celery]


def view_scheduler(*, ctx: Context) -> SchedulerView:
    """Return every engine and how much there is to do."""
    with ctx.database.read() as tx:
        return _view(tx, ctx.clock.now(), ctx)


def _view(tx: sa.Connection, now: datetime, ctx: Context) -> SchedulerView:
    next_due, open_runs = dues.next_due(tx), numbers.of_open_runs(tx)
    return SchedulerView(
        paused=facts.get(tx, facts.PAUSE),
        engines=engines.known(tx, ENDED_SHOWN),
        holdings=claims.holdings(tx),
        limits=view_limits(tx, now, ctx=ctx),
        unknown_tasks=orphans.unknown_tasks(tx),
        backlog=open_runs.get(RunState.QUEUED, 0),
        open_runs=open_runs,
        jobs=numbers.of_jobs(tx),
        next_run_time=next_due,
        lag=0.0 if next_due is None else max(0.0, (now - next_due).total_seconds()),
        now=now,
    )


def pause_scheduler(*, reason: str | None, ctx: Context) -> SchedulerView:
    """Let nothing fire and nothing be claimed, in any process; running work goes on."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> SchedulerView:
        pause_in(tx, reason=reason, by=ctx.actor.name, now=now)
        noting(tx, ctx, now).change(What.SCHEDULER_PAUSED, after={"reason": reason})
        return _view(tx, now, ctx)

    view = ctx.database.write(work)
    ctx.wake()
    return view


def pause_in(tx: sa.Connection, *, reason: str | None, by: str, now: datetime) -> None:
    """Pause everything in a transaction; a pause that holds already keeps its beginning."""
    before = facts.get(tx, facts.PAUSE)
    since = before["since"] if before else rfc3339(now)
    facts.put(tx, facts.PAUSE, {"since": since, "reason": reason, "by": by})


def resume_scheduler(*, ctx: Context) -> SchedulerView:
    """End the pause; each job's firings of the paused time become one missed range, reason `paused`.

    The pause holds until the last batch is recorded, so that a crash in between leaves it to be ended again.
    """
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> SchedulerView | None:
        before = facts.get(tx, facts.PAUSE)
        while not _resume_batch(tx, now):
            if not ctx.is_rehearsal:
                return None  # what a batch wrote is committed; what a rehearsal wrote is gone after the transaction
        if before is not None:
            noting(tx, ctx, now).change(What.SCHEDULER_RESUMED, before=before)
        return _view(tx, now, ctx)

    while (view := ctx.database.write(work)) is None:
        pass
    ctx.wake()
    return view


def _resume_batch(tx: sa.Connection, now: datetime) -> bool:
    """Pass over the firings of one batch of due jobs; whether that was the last, and the pause has ended."""
    since = facts.paused_since(tx)
    if since is None:
        return True
    lapsed = pauses.lapsed(tx, now, BATCH)
    for paused in lapsed:
        lapse(tx, paused, now)
    due = dues.due(tx, now, BATCH)
    for job in due:
        fire_single(tx, job, paused_since=since, now=now)
    if BATCH in (len(lapsed), len(due)):
        return False
    facts.drop(tx, facts.PAUSE)
    return True
