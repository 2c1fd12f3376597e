"""The pass: settle what has ended, fire what is due, claim what may start, in one transaction; then hand over.

Invariants kept here:
- Nothing reaches a slot before the commit that claims it.
- What ended is kept until a commit has settled it, through every database error.
- After a commit that failed, which may have happened all the same, claims that no slot knows of are given back.
- Trigger arithmetic runs before the transaction; a trigger that fails breaks its own job and no other.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

import sqlalchemy as sa

from scheduler_app.clock import EPOCH
from scheduler_app.domain.firing import UNPLANNABLE, plan_firing, plan_resume, uncomputable
from scheduler_app.domain.job import Job
from scheduler_app.domain.policy import Executor
from scheduler_app.domain.run import Reason
from scheduler_app.domain.trigger import Trigger, parse_trigger
from scheduler_app.engine.agenda import Agenda, PassContext
from scheduler_app.engine.claiming import Claimer
from scheduler_app.engine.crowd import Crowd
from scheduler_app.engine.execution import Execution
from scheduler_app.engine.pool import STALE_AFTER
from scheduler_app.engine.settlement import announce, keep_news, settle
from scheduler_app.failpoints import failpoint
from scheduler_app.signals import FiringsMissed, JobBroke
from scheduler_app.store import claims, dues, endings, engines, firing, pauses
from scheduler_app.store.foreseen import due_again
from scheduler_app.store.jobs import finish_left
from scheduler_app.store.outlook import Outlook, look_ahead
from scheduler_app.store.standing import standing

BATCH = 250
FEW = 8
FALLBACK = 1.0
LIVE_EVERY = 0.7
LEAST_REST = 0.05


class Pass:
    """One engine's pass over the store. `poll` never leaves work half done: it is all in one transaction.

    With a `horizon` nothing fires that is due after it, so that a test's clock stops where it was sent, even when tasks
    take longer than their interval. After a poll, `idle` tells whether it left nothing to do at its time, and
    `next_at` when there is something next.
    """

    def __init__(self, ctx: PassContext) -> None:
        self._ctx = ctx
        self._claimer = Claimer(ctx)
        self._crowd = Crowd(BATCH)
        self._live_at = 0.0
        self._in_doubt = False
        self._ahead: Outlook | None = None
        self._next_due: Sequence[dues.DueJob | dues.Unreadable] = ()
        self.write = ctx.database.write
        self.idle = True
        self.rests_after = False
        self.commits = 0
        self.horizon: datetime | None = None
        self.next_at: datetime | None = None

    def poll(self) -> float:
        """Do what there is to do and return how many seconds to wait for more."""
        return self._wait(self.step())

    def step(self) -> Agenda:
        """Do what there is to do, and return what that was."""
        ctx = self._ctx
        agenda = Agenda(now=ctx.clock.now(), engine=ctx.engine_id())
        ctx.pool.expire()
        if not self._recall(agenda):
            self._look(agenda)
        agenda.ended = ctx.pool.ended()
        keeps = STALE_AFTER if ctx.takes_runs() else 0.0
        agenda.stale |= {claim.held for claim in ctx.pool.stale(older_than=keeps)}
        if not agenda.is_empty:
            self._commit(agenda)
        self.rests_after = not agenda.more and agenda.ahead is not None and not agenda.ahead.busy
        self.idle = not (agenda.claimed or agenda.more or not ctx.pool.has_room)
        self.next_at = agenda.next_at
        return agenda

    def may_claim(self, tx: sa.Connection) -> bool:
        """Whether anything waits that could be claimed now."""
        return bool(self._claimer.waited_for(tx, list(Executor)))

    @property
    def next_start(self) -> datetime | None:
        """When a task may start again whose rate limit is used up."""
        return self._claimer.next_at(self._ctx.clock.now())

    def doubt(self) -> None:
        """Have the next poll give back the claims that no slot knows of: a commit failed that may have happened."""
        self._in_doubt = True

    def settle_all(self, tx: sa.Connection, now: datetime) -> None:
        """Settle what has ended, outside a pass, when the engine stops."""
        ended = self._ctx.pool.ended()
        keep_news(tx, [*(execution for execution, _ in ended), *self._ctx.pool.held()])
        settle(tx, ended, now)

    def _look(self, agenda: Agenda) -> None:
        """Read what is due, before any transaction that writes."""
        ctx = self._ctx
        with ctx.database.read() as tx:
            foreseen = self._foreseen(agenda.now)
            ahead = foreseen or look_ahead(tx)
            agenda.paused = ahead.paused_since is not None
            if self._in_doubt:
                agenda.stale = claims.held_by(tx, agenda.engine) - self._known()
            if ctx.pool.held():
                for run_id, reason in claims.cancel_requests(tx, agenda.engine):
                    ctx.pool.cancel(run_id, reason)
            if agenda.paused or not ctx.may_work():
                agenda.live = self._take_live()
                if agenda.paused:  # what was claimed ahead has not started, and is not to
                    agenda.stale |= {claim.held for claim in ctx.pool.stale(older_than=0.0)}
                return
            now = self._due_by(agenda.now)
            due = self._due(tx, agenda.engine, now) if _has_come(ahead.due, now) else []
            lapsed = pauses.lapsed(tx, now, BATCH) if _has_come(ahead.lapse, now) else []
            agenda.ready = _has_come(ahead.ready, agenda.now)
            if not due and not ctx.pool.has_ended:  # else the transaction that follows finds out
                agenda.next_at = self._next_at(agenda, ahead)
                agenda.queues |= self._claimer.waited_for(tx, [Executor.THREAD])
            agenda.unseen = foreseen is not None and not ahead.busy
            if ahead.busy:
                agenda.queues |= self._claimer.waited_for(tx, self._claimer.others)
        agenda.more = len(due) == BATCH or bool(lapsed)
        for job in due:
            self._plan(job, agenda)
        for paused in lapsed:
            self._plan_resume(paused, agenda)
        agenda.live = self._take_live()

    def _due(self, tx: sa.Connection, engine: int, now: datetime) -> Sequence[dues.DueJob | dues.Unreadable]:
        """Return a batch of what is due: of its own share, as long as others fire too and it has one."""
        own = dues.due(tx, now, BATCH, engines.share_of(tx, engine)) if self._crowd.is_there else ()
        return own or dues.due(tx, now, BATCH)

    def _foreseen(self, now: datetime) -> Outlook | None:
        """Return what the last commit saw ahead, once, if a job is due by that.

        What others have changed since is found by the look at the end of the transaction that follows; when they have
        fired the job, by the next poll, which comes at once.
        """
        ahead, self._ahead = self._ahead, None
        return ahead if ahead is not None and _has_come(ahead.due, now) else None

    def _recall(self, agenda: Agenda) -> bool:
        """Plan the few jobs that the last commit saw ahead, when nothing else is to be looked at; whether that was so.

        One that another process has changed since then is not advanced, and read anew by the next poll.
        """
        ahead, ctx = self._ahead, self._ctx
        if ahead is None or not self._next_due or ctx.database.commits != self.commits:
            return False
        if self._in_doubt or ctx.pool.held() or not ctx.may_work():
            return False
        if not _has_come(ahead.due, self._due_by(agenda.now)) or _has_come(ahead.lapse, agenda.now):
            return False
        agenda.ready, agenda.unseen = _has_come(ahead.ready, agenda.now), True
        for job in self._next_due:
            self._plan(job, agenda)
        self._ahead = None
        return True

    def _known(self) -> set[tuple[int, int]]:
        """Return the claims that execute, wait for a slot or have ended."""
        ended = self._ctx.pool.ended()
        self._ctx.pool.put_back(ended)
        executions = [*self._ctx.pool.held(), *(execution for execution, _ in ended)]
        return {execution.claim.held for execution in executions}

    def _plan(self, job: dues.DueJob | dues.Unreadable, agenda: Agenda) -> None:
        if isinstance(job, dues.Unreadable):
            agenda.broken.append((job, job.why))
            return
        try:
            now = self._due_by(agenda.now)
            plan = plan_firing(trigger_of(job.trigger), job.next_run_time, job.policies, now, job.skip_count)
        except UNPLANNABLE as error:
            agenda.broken.append((job, uncomputable(error)))
        else:
            agenda.planned.append((job, plan))

    def _plan_resume(self, job: Job, agenda: Agenda) -> None:
        if job.unreadable:
            agenda.broken.append((job, str(job.reason)))
            return
        try:
            agenda.lapsed.append((job, plan_resume(job, agenda.now)))
        except UNPLANNABLE as error:
            agenda.broken.append((job, uncomputable(error)))

    def _due_by(self, now: datetime) -> datetime:
        return now if self.horizon is None else min(now, self.horizon)

    def _take_live(self) -> list[Execution]:
        """Return the executions whose log and progress are to be written now, so that none is a second old."""
        now = self._ctx.clock.monotonic()
        if now - self._live_at < LIVE_EVERY:
            return []
        self._live_at = now
        return [execution for execution in self._ctx.pool.held() if execution.has_news]

    def _commit(self, agenda: Agenda) -> None:
        ctx = self._ctx
        try:
            self.write(lambda tx: self._write(tx, agenda))
            agenda.committed()
        except BaseException:
            ctx.pool.put_back(agenda.ended)
            self.doubt()
            raise
        self._in_doubt = False
        self._crowd.note(planned=len(agenda.planned), fired=len(agenda.fired))
        self._claimer.committed(agenda)
        self._ahead, self.next_at, self.commits = agenda.ahead, agenda.next_at, ctx.database.commits
        self._next_due = agenda.next_due
        for execution in agenda.news:
            execution.written()
        ctx.pool.hand_over(agenda.claimed)
        self._measure(agenda)
        self._announce(agenda)

    def _measure(self, agenda: Agenda) -> None:
        ctx, lag = self._ctx, None
        if agenda.fired:
            first, _ = agenda.fired[0]
            lag = (ctx.clock.now() - first.next_run_time).total_seconds()
        ctx.meter.note(ctx.clock.monotonic(), lag=lag, claimed=len(agenda.claimed))

    def _write(self, tx: sa.Connection, agenda: Agenda) -> None:
        """Do all of it; what is taken from the pool stays noted, since this may be undone and called again."""
        keep_news(tx, agenda.news)
        about = agenda.ended_jobs.intersection(job.key for job, _ in agenda.planned)
        agenda.settled = settle(tx, agenda.ended, agenda.now, about)
        if agenda.ended:
            failpoint("settle.before_commit")
        claims.give_back(tx, agenda.stale, agenda.now)
        self._claimer.uncount(tx, agenda)
        agenda.claimed, agenda.ahead, agenda.held = [], None, {}
        how = (None if agenda.stale else agenda.settled.standing) or standing(tx)
        if how.paused_since is not None:  # perhaps since the look
            finish_left(tx, about)
            return
        works = not agenda.paused and self._ctx.may_work()
        starter = self._claimer.starter(agenda) if works and not how.is_any_queued else None
        agenda.fired = firing.record(tx, agenda.planned, agenda.now, starter, how, about)
        if agenda.fired:
            endings.commits_at(tx, self._ctx.clock.now())
            failpoint("fire.before_commit")
        for paused, plan in agenda.lapsed:
            pauses.lapse(tx, paused, plan, agenda.now)
        for job, reason in agenda.broken:
            firing.mark_broken(tx, job, reason, agenda.now)
        if works:
            if agenda.ready:
                claims.promote(tx, agenda.now)
            self._claimer.claim(tx, agenda, starter)
            if agenda.claimed:
                failpoint("claim.before_commit")
            agenda.ahead = look_ahead(tx)
            agenda.next_at = self._next_at(agenda, agenda.ahead)
            agenda.next_due = self._few_due(tx, agenda)

    def _next_at(self, agenda: Agenda, ahead: Outlook) -> datetime | None:
        """Return when something is due next, or may start that a limit holds back."""
        ahead_at, held_until = ahead.next_at, self._claimer.next_at(agenda.now, agenda.held)
        if ahead_at is None or held_until is None:
            return ahead_at or held_until
        return min(ahead_at, held_until)

    def _few_due(self, tx: sa.Connection, agenda: Agenda) -> Sequence[dues.DueJob | dues.Unreadable]:
        """Return the jobs that fire next after others have fired, if they are few: the next pass need not look."""
        ahead = agenda.ahead
        if not agenda.fired or ahead is None or ahead.due is None or ahead.busy or ahead.paused_since:
            return ()
        due = due_again(tx, ahead.due, FEW, agenda.fired, is_one=ahead.is_one_due)
        return due if len(due) < FEW else ()

    def _announce(self, agenda: Agenda) -> None:
        bus, now = self._ctx.bus, agenda.now
        announce(bus, agenda.ended, agenda.settled, now)
        for job, reason in agenda.broken:
            bus.publish(JobBroke(at=now, job_id=job.id, reason=reason))
        for due, plan in agenda.planned:
            for missed, reason in plan.missed:
                if reason is Reason.GRACE:
                    bus.publish(FiringsMissed(at=now, job_id=due.id, until=missed.until))

    def _wait(self, agenda: Agenda) -> float:
        """Seconds until the next thing is due, at most the fallback of 1 s."""
        if agenda.more or (agenda.unseen and agenda.ahead is not None and agenda.ahead.busy):
            return 0.0
        waits = [FALLBACK]
        if agenda.next_at is not None:
            waits.append((agenda.next_at - self._ctx.clock.now()) / timedelta(seconds=1))
        now = self._ctx.clock.monotonic()
        held = self._ctx.pool.held()
        waits += [left for execution in held if (left := execution.seconds_left(now)) is not None]
        if held:  # what they log is to be read within a second
            waits.append(max(LEAST_REST, self._live_at + LIVE_EVERY - now))
        return max(0.0, min(waits))


def _has_come(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


@lru_cache(maxsize=8192)
def trigger_of(text: str) -> Trigger:
    """Return the trigger that a job's row holds; it is in normal form, so now does not matter."""
    return parse_trigger(json.loads(text), now=EPOCH)
