"""What an APScheduler can do with jobs, done by our use cases."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from apscheduler.jobstores.base import ConflictingIdError, JobLookupError

from scheduler_app.aps.declarations import Declarations, Declared
from scheduler_app.aps.jobs import StoredJob, as_json, dressed
from scheduler_app.aps.options import ABSENT, Habits, Options, overrides_of
from scheduler_app.domain.job import Job, JobSpec, JobState
from scheduler_app.domain.run import Run
from scheduler_app.domain.spec import shown
from scheduler_app.domain.task import Task
from scheduler_app.errors import Fault, IdTaken, InvalidInput, NotFound, SchedulerError, StoreUnavailable
from scheduler_app.services import jobs, scheduler
from scheduler_app.services.admission import admit_trigger, policies_of
from scheduler_app.services.context import Actor, Context
from scheduler_app.services.declaring import Declaration
from scheduler_app.services.definitions import Start, admit_late, define_job, edit_job, remove_all, remove_job
from scheduler_app.services.enqueueing import enqueue
from scheduler_app.services.references import Reach, References
from scheduler_app.services.replacing import put_job
from scheduler_app.store import apscheduler, claims, facts
from scheduler_app.store.foreign import ForeignTransaction
from scheduler_app.store.jobs import JobFilter, JobPlace

LOG = logging.getLogger("scheduler_app")
ALIAS = "default"
PAGE = 500
LEARN_EVERY = 1.0
_ACTING: ContextVar[Actor | None] = ContextVar("acting", default=None)


class UnknownJob(NotFound, JobLookupError):  # type: ignore[misc]
    """There is no such job, said so that code written for APScheduler understands it."""

    def __init__(self, detail: str) -> None:
        Exception.__init__(self, detail)
        self.detail = detail
        self.faults = ()

    def __str__(self) -> str:
        return self.detail


class JobIdTaken(IdTaken, ConflictingIdError):  # type: ignore[misc]
    """The id is in use, said so that code written for APScheduler understands it."""

    def __init__(self, detail: str, faults: tuple[Fault, ...]) -> None:
        Exception.__init__(self, detail)
        self.detail = detail
        self.faults = faults

    def __str__(self) -> str:
        return self.detail


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Let somebody make the changes of the block, in place of code."""
    before = _ACTING.set(actor)
    try:
        yield
    finally:
        _ACTING.reset(before)


@contextmanager
def understood() -> Iterator[None]:
    """Raise what APScheduler would, which is ours too."""
    try:
        yield
    except IdTaken as error:
        raise JobIdTaken(error.detail, error.faults) from None
    except NotFound as error:
        raise UnknownJob(error.detail) from None


class Desk:
    """The jobs of one store, as an APScheduler shows them. `scheduler` is the one that its jobs call back.

    What the code of `app` declares, with a decorator or in SCHEDULER_JOBS, is written with the first use of the store.
    """

    def __init__(
        self, ctx: Context, references: References, habits: Habits, scheduler: Any, *, app: str, address: str
    ) -> None:
        self._ctx = ctx
        self._address = address
        self.references = references
        self.habits = habits
        self.declared = Declarations(app, ctx, self._understood)
        self._scheduler = scheduler
        self._learnt_at = -LEARN_EVERY
        self._learnt_for: int | None = None
        self._noticed = False
        self._unknown: set[str] = set()

    @property
    def ctx(self) -> Context:
        """What the use cases need: for code, or for who acts through it."""
        actor = _ACTING.get()
        return self._ctx if actor is None else self._ctx.by(actor)

    def upkeep(self, engine: int | None = None) -> None:
        """Do what an engine does before each pass: write what was declared, find the functions of queued runs."""
        self.declared.settle(engine)
        if not self._noticed:
            self._notice()
        if self._learnt_for != engine:
            self._learnt_for = engine
            self._recall()
        if self.references.packages and (now := self._ctx.clock.monotonic()) - self._learnt_at >= LEARN_EVERY:
            self._learnt_at = now
            self._learn()

    def _notice(self) -> None:
        """Say once that an APScheduler has left jobs in this database."""
        with self.ctx.database.read() as tx:
            found = apscheduler.waiting(tx)
        self._noticed = True
        if found:
            LOG.warning(
                "%d jobs of APScheduler are in the table %s of this database and do not run here; take them over with: "
                "scheduler-app import-apscheduler %s --trust-pickle --database %s --tasks FILE_OR_MODULE",
                found,
                apscheduler.TABLE,
                *[self._address] * 2,
            )

    def _recall(self) -> None:
        """Know the functions of the app that jobs of earlier starts name, as far as they are here."""
        with self.ctx.database.read() as tx:
            kept = claims.kept_references(tx)
        for name in kept - self.ctx.registry.names():
            with suppress(SchedulerError):
                self.references.load(name)

    def _learn(self) -> None:
        with self.ctx.database.read() as tx:
            queued = claims.queued_references(tx)
        for name in queued - self.ctx.registry.names() - self._unknown:
            try:
                self.references.load(name)
            except SchedulerError as error:
                self._unknown.add(name)
                LOG.error("runs of %s wait for an engine that has it: %s", name, error)

    def find_task(self, name: str) -> None:
        """Look a task up that may be a reference to a function. Raises UnknownTask."""
        if self.ctx.registry.find(name) is None:
            self.references.load(name)

    def settle(self) -> None:
        """Write what was declared and is not written yet; one that cannot be is logged, the others go on."""
        self.declared.settle()

    def _understood(self, said: Declared) -> Declaration:
        """Return what the code declares; a function that it names is the code's own, and may lie in any module."""
        job_id = str(said.given.get("id"))
        try:
            options = Options.of(said.given, self.habits)
            return Declaration(
                id=job_id, place=said.place, spec=self._spec(options, Reach.ANYWHERE), start=options.start
            )
        except SchedulerError as error:
            return Declaration(id=job_id, place=said.place, wrong=error.detail)

    def enter_within(self, given: Mapping[str, Any], within: ForeignTransaction) -> Job:
        """Add a job in a transaction of the caller's; without a trigger it runs once, when that is committed."""
        options = Options.of(given, self.habits)
        if options.replacing:
            detail = "replace_existing: a job cannot be replaced in a transaction of yours; remove it before"
            raise InvalidInput.of(Fault(pointer="/replace_existing", detail=detail))
        spec = self._spec(options, Reach.APP)
        if spec.trigger is None and options.start is not None:
            spec = replace(spec, trigger=self._date(options.start))
        with understood():
            return enqueue(spec, within, start=options.start, ctx=self.ctx)

    def add_within(self, given: Mapping[str, Any], within: ForeignTransaction) -> StoredJob:
        """Do the same, and return the job in APScheduler's clothes."""
        return self._dress(self.enter_within(given, within))

    def add(self, given: Mapping[str, Any], *, reach: Reach = Reach.APP) -> StoredJob:
        """Add a job, and return it in APScheduler's clothes; without a trigger it runs once, now."""
        return self._dress(self.enter(given, reach=reach))

    def enter(self, given: Mapping[str, Any], *, reach: Reach = Reach.APP) -> Job:
        """Add a job; without a trigger it runs once, now."""
        options = Options.of(given, self.habits)
        spec = self._spec(options, reach)
        self.settle()
        with understood():
            if spec.trigger is None and options.start is None:
                return self._once(spec, replacing=options.replacing)
            if spec.trigger is None:
                spec = replace(spec, trigger=self._date(options.start))
            return define_job(spec, start=options.start, replacing=options.replacing, ctx=self.ctx)

    def _once(self, spec: JobSpec, *, replacing: bool) -> Job:
        if replacing and spec.id is not None and self._find(spec.id) is not None:
            remove_job(spec.id, ctx=self.ctx)
        return jobs.create_job(spec, ctx=self.ctx)

    def _date(self, start: Start | None) -> dict[str, Any]:
        at = start.at if start is not None and start.at is not None else self.ctx.clock.now()
        return {"type": "date", "run_date": at.isoformat()}

    def announced(self, given: Mapping[str, Any]) -> StoredJob:
        """Return a job as it will be, once it is written."""
        options = Options.of(given, self.habits)
        spec = self._spec(options, Reach.ANYWHERE)
        job = admit_late(spec, self.ctx.registry, self.ctx.clock.now())
        return self._dress(job if options.start is None else options.start.apply(job))

    @property
    def is_of_script(self) -> bool:
        """Whether the app is defined by the script that runs, `python app.py`."""
        return self.references.module == "__main__"

    def put(self, given: Mapping[str, Any]) -> StoredJob:
        """Add a job that a script adds at each of its starts: one that is there becomes what is said, and goes on."""
        try:
            return self.add(given)
        except IdTaken:
            options = Options.of(given, self.habits)
            spec = self._spec(options, Reach.APP)
            return self._dress(put_job(str(options.id), spec, from_code=True, ctx=self.ctx).job)

    def _spec(self, options: Options, reach: Reach) -> JobSpec:
        task = self._task(options.func, reach)
        args = [] if options.args is ABSENT else options.args
        kwargs = {} if options.kwargs is ABSENT else options.kwargs
        kept = as_json(task, args, kwargs)
        habits = {name: value for name, value in self.habits.policies.items() if name not in task.overrides.given()}
        job_id = _text(options.id, "id")
        return JobSpec(
            id=job_id,
            task=task.name,
            name=_text(options.name, "name") or job_id,
            args=kept[0],
            kwargs=kept[1],
            trigger=None if options.trigger is ABSENT else options.trigger,
            overrides=overrides_of({**habits, **options.policies}),
        )

    def _task(self, func: Any, reach: Reach) -> Task:
        if func is ABSENT or func is None:
            raise InvalidInput.of(Fault(pointer="/func", detail="func is missing: the task, or function, to run"))
        if isinstance(func, str):
            return self.references.load(func, reach=reach)
        return self.references.task_of(func, reach=reach)

    def modify(self, job_id: str, given: Mapping[str, Any], *, reach: Reach = Reach.APP) -> StoredJob:
        """Change a job, all of it or nothing. A paused job stays paused, unless a next time is given."""
        options = Options.of(given, self.habits)
        if options.id is not ABSENT and options.id != job_id:
            raise InvalidInput.of(Fault(pointer="/id", detail=f"the id of job {job_id!r} cannot be changed"))
        func = None if options.func is ABSENT else self._task(options.func, reach)
        self.settle()
        with understood():
            return self._dress(edit_job(job_id, lambda job: self._edited(job, options, func), ctx=self.ctx))

    def _edited(self, job: Job, options: Options, func: Task | None) -> Job:
        task = func or self.references.load(job.task)
        args = job.args if options.args is ABSENT else options.args
        kwargs = job.kwargs if options.kwargs is ABSENT else options.kwargs
        kept = (job.args, job.kwargs)
        if func is not None or options.args is not ABSENT or options.kwargs is not ABSENT:
            kept = as_json(task, args, kwargs)
        overrides = overrides_of({**job.overrides.given(), **options.policies})
        after = replace(
            job,
            task=task.name,
            name=_text(options.name, "name") or job.name,
            args=kept[0],
            kwargs=kept[1],
            overrides=overrides,
            policies=policies_of(task, overrides, self.ctx.registry),
        )
        after = after if options.trigger is ABSENT else self._rescheduled(after, options.trigger)
        return after if options.start is None else options.start.apply(after)

    def _rescheduled(self, job: Job, spec: dict[str, Any] | None) -> Job:
        now = self.ctx.clock.now()
        trigger = admit_trigger(spec or self._date(None), now)
        state, reason = (job.state, job.reason) if job.state is JobState.PAUSED else (JobState.ACTIVE, None)
        return replace(job, trigger=trigger.spec, next_run_time=trigger.first(now), state=state, reason=reason)

    def get(self, job_id: str) -> StoredJob | None:
        """Return a job, or None when there is none of that id."""
        self.settle()
        record = self._find(job_id)
        return None if record is None else self._dress(record)

    def all(self) -> list[StoredJob]:
        """Return every job that is not finished, by its next time; those that are paused come last."""
        self.settle()
        records: list[Job] = []
        after: JobPlace | None = None
        while True:
            page = jobs.list_jobs(JobFilter(), after=after, limit=PAGE, ctx=self.ctx)
            records += page.jobs
            after = page.after
            if after is None:
                return [self._dress(record) for record in sorted(records, key=_by_time)]

    def pause(self, job_id: str) -> StoredJob:
        """Stop a job from firing."""
        self.settle()
        with understood():
            return self._dress(jobs.pause_job(job_id, reason=None, ctx=self.ctx))

    def resume(self, job_id: str) -> StoredJob:
        """Let a paused job fire again."""
        self.settle()
        with understood():
            return self._dress(jobs.resume_job(job_id, ctx=self.ctx))

    def run(self, job_id: str) -> Run:
        """Run a job now, through the executor."""
        self.settle()
        with understood():
            return jobs.run_job(job_id, ctx=self.ctx)

    def remove(self, job_id: str) -> None:
        """Delete a job; its history stays."""
        self.settle()
        with understood(), self.declared.dropping(job_id):
            remove_job(job_id, ctx=self.ctx)

    def remove_all(self) -> None:
        """Delete every job; their history stays."""
        self.settle()
        with self.declared.dropping(*(one.given["id"] for one in self.declared.said)):
            remove_all(ctx=self.ctx)

    def pause_all(self) -> None:
        """Let nothing fire, in any process."""
        scheduler.pause_scheduler(reason=None, ctx=self.ctx)

    def resume_all(self) -> None:
        """End the pause."""
        scheduler.resume_scheduler(ctx=self.ctx)

    def is_paused(self) -> bool:
        """Whether firing is paused for all processes; False when the store does not answer."""
        try:
            with self.ctx.database.read() as tx:
                return facts.paused_since(tx) is not None
        except StoreUnavailable:
            return False

    def _find(self, job_id: str) -> Job | None:
        try:
            return jobs.get_job(job_id, ctx=self.ctx)
        except NotFound:
            return None

    def _dress(self, record: Job) -> StoredJob:
        task: Task | None = None
        with suppress(SchedulerError):
            task = self.references.load(record.task)
        return dressed(record, task, scheduler=self._scheduler, alias=ALIAS)


def _text(value: Any, name: str) -> str | None:
    if value is ABSENT or value is None:
        return None
    if not isinstance(value, str) or not value:
        raise InvalidInput.of(Fault(pointer=f"/{name}", detail=f"{name} must be a text, got {shown(value)}"))
    return value


def _by_time(record: Job) -> tuple[bool, float, int]:
    due = record.next_run_time if record.state is JobState.ACTIVE else None
    return (due is None, 0.0 if due is None else due.timestamp(), record.key)
