"""Claim what may start: for each executor from its own queue, for the free slots of its own pool.

Runs of executor `thread` may kill their engine, so some of them are executed alone in it; what executes in another
process is no company in that sense.
"""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.choosing import NO_PEERS, NO_ROOM, Choice, Peers, Room, choose, insists_on_solitude
from scheduler_app.domain.policy import LOWEST_PRIORITY, Executor, Overlap
from scheduler_app.domain.run import Reason
from scheduler_app.engine.agenda import Agenda, PassContext
from scheduler_app.engine.limiting import NO_HOLDS, Holds, Limiter
from scheduler_app.engine.line import Line
from scheduler_app.store import claims, engines
from scheduler_app.store.queues import claimable
from scheduler_app.store.starting import Newborn, Starter

BEHIND_SUSPECTS = 100


class Claimer:
    """Claims for one engine. Each time it looks into the queue of threads, and into others when there is cause."""

    def __init__(self, ctx: PassContext) -> None:
        self._ctx = ctx
        self._pool = ctx.pool.of
        self._limiter = Limiter(ctx.registry, ctx.limits)
        self._lines = {executor: Line(claimable(executor), self._limiter, ctx.clock) for executor in ctx.pool}
        self.others = [executor for executor in ctx.pool if executor is not Executor.THREAD]

    def waited_for(self, tx: sa.Connection, executors: Iterable[Executor]) -> set[Executor]:
        """Return those whose queue holds a run that could be claimed, or that outranks one claimed ahead."""
        return {executor for executor in executors if self._may_claim(tx, executor) or self._is_outranked(tx, executor)}

    def claim(self, tx: sa.Connection, agenda: Agenda, starter: Starter | None) -> None:
        """Give way to higher priority, and claim; what threads execute, `starter` has claimed if there is one."""
        agenda.claimed = [] if starter is None else [*starter.claims]
        self._limiter.release(execution.claim.task for execution, _ in agenda.ended)
        for executor in self._queues(agenda):
            self._give_way(tx, agenda, executor)
            if starter is None or executor is not Executor.THREAD:
                agenda.claimed += self._claim(tx, agenda, executor)
        alone = [execution for execution in self._pool(Executor.THREAD).held() if execution.claim.alone]
        if alone and any(claim.executor is Executor.THREAD for claim in agenda.claimed):
            claims.share(tx, agenda.engine)

    def starter(self, agenda: Agenda) -> Starter | None:
        """Return what claims firings as they are written, when the queue is empty and nothing else is to join it."""
        if agenda.ready or Overlap.CANCEL_RUNNING in [job.policies.overlap for job, _ in agenda.planned]:
            return None
        if self._limiter.limits(Executor.THREAD, [job.task for job, _ in agenda.planned]):
            return None
        return Starter(engine=agenda.engine, token=new_token(), now=agenda.now, choose=self._choose_newborn)

    def _choose_newborn(self, queue: Sequence[Newborn]) -> Sequence[Newborn]:
        room, find = self._free(Executor.THREAD), self._ctx.registry.find
        ours = [run for run in queue if run.executor == Executor.THREAD and find(run.task) is not None]
        return choose(ours[: room.most], room, self._ctx.clock.now()).runs

    def uncount(self, tx: sa.Connection, agenda: Agenda) -> None:
        """Let the starts that did not happen after all not count."""
        never_began = {outcome.claim.held for _, outcome in agenda.ended if outcome.reason is Reason.NOT_STARTED}
        self._limiter.uncount(tx, agenda.stale | never_began)

    def committed(self, agenda: Agenda) -> None:
        """Remember what was found to be used up."""
        self._limiter.remember(agenda.held)

    def next_at(self, now: datetime, held: Holds = NO_HOLDS) -> datetime | None:
        """Return when a task may start again whose rate limit is used up."""
        return self._limiter.next_at(now, held)

    def _queues(self, agenda: Agenda) -> list[Executor]:
        """Return the queues that may hold something: seen to, or by what this transaction does itself."""
        moved = agenda.ready or agenda.lapsed or agenda.stale or agenda.outranked
        fired = {job.policies.executor for job, _ in agenda.planned}
        freed = any(
            execution.claim.executor is not Executor.THREAD or execution.claim.concurrency_key
            for execution, _ in agenda.ended
        )
        others = [executor for executor in self.others if moved or freed or executor in agenda.queues | fired]
        return [Executor.THREAD, *others]

    def _give_way(self, tx: sa.Connection, agenda: Agenda, executor: Executor) -> None:
        """Give back what was claimed ahead and has not started, where higher priority waits."""
        if self._is_outranked(tx, executor):
            highest = self._highest_queued(tx, executor)
            agenda.outranked |= {claim.held for claim in self._pool(executor).outranked(highest)}
        claims.give_back(tx, agenda.outranked, agenda.now)

    def _is_outranked(self, tx: sa.Connection, executor: Executor) -> bool:
        lowest = self._pool(executor).lowest_waiting
        return lowest is not None and self._highest_queued(tx, executor) > lowest

    def _highest_queued(self, tx: sa.Connection, executor: Executor) -> int:
        highest = self._highest(tx, executor)
        return LOWEST_PRIORITY if highest is None else highest

    def _may_claim(self, tx: sa.Connection, executor: Executor) -> bool:
        return self._room(tx, executor).most > 0 and self._highest(tx, executor) is not None

    def _highest(self, tx: sa.Connection, executor: Executor) -> int | None:
        """Return the highest priority that waits and that no limit holds back."""
        return self._lines[executor].highest(tx, self._ctx.registry.names(), self._ctx.clock.now())

    def _room(self, tx: sa.Connection, executor: Executor) -> Room:
        return self._limiter.room(tx, executor, self._free(executor))

    def _free(self, executor: Executor) -> Room:
        return self._pool(executor).room() if self._ctx.takes_runs() else NO_ROOM

    def _candidates(self, tx: sa.Connection, agenda: Agenda, executor: Executor, limit: int) -> Sequence[Any]:
        runs, used_up = self._lines[executor].first(tx, self._ctx.registry.names(), limit, agenda.now)
        agenda.held |= used_up
        return runs

    def _choose(self, tx: sa.Connection, agenda: Agenda, executor: Executor) -> Choice[Any]:
        """Choose from the queue; where suspects stand in it, from what is behind them too."""
        room, peers = self._room(tx, executor), NO_PEERS
        queue = self._candidates(tx, agenda, executor, room.most)
        suspects = [run for run in queue if run.suspicions]
        if suspects:
            peers = self._peers(tx, agenda, suspects[0].task)
            queue = self._candidates(tx, agenda, executor, room.most + BEHIND_SUSPECTS)
        return choose(queue, room, agenda.now, peers)

    def _peers(self, tx: sa.Connection, agenda: Agenda, task: str) -> Peers:
        """Return what is left to this engine; the oldest that knows the task makes room for it."""
        alone = claims.alone_elsewhere(tx, agenda.engine)
        knowing = [row.id for row in engines.live(tx) if task in row.tasks and row.drained_at is None]
        return Peers(
            may_isolate=not any(insists_on_solitude(number, (agenda.now - at).total_seconds()) for number, at in alone),
            makes_room=agenda.engine <= min(knowing, default=agenda.engine),
        )

    def _claim(self, tx: sa.Connection, agenda: Agenda, executor: Executor) -> list[Any]:
        choice = self._choose(tx, agenda, executor)
        taken = claims.take(
            tx,
            choice.runs,
            engine=agenda.engine,
            token=new_token(),
            alone=choice.alone,
            now=agenda.now,
            executor=executor,
        )
        return self._limiter.count(tx, taken, agenda.now)


def new_token() -> int:
    """Return what proves the claims of one transaction."""
    return secrets.randbits(62)
