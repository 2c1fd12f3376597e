"""`SqlJobStore`: an APScheduler job store on our tables, in JSON. No pickle, and no row is ever deleted unread.

- What is stored through it is a job like any other: the API shows it, an engine fires it.
- While an engine lives on the store, the engine fires: `get_due_jobs` gives nothing, so that nothing happens twice.
- A function is found by its reference, `package.module:function`, only below the packages in `task_modules`.
- A job that cannot be read, or whose function is not here, is left out and logged; it stays in the store.
"""

import logging
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import sqlalchemy as sa
from apscheduler.jobstores.base import BaseJobStore, ConflictingIdError, JobLookupError

from scheduler_app.aps.jobs import EXECUTOR, StoredJob, as_json, dressed
from scheduler_app.aps.triggers import to_spec
from scheduler_app.clock import Clock, SystemClock
from scheduler_app.domain.job import ID_PATTERN, Job, JobState, is_job_id
from scheduler_app.domain.policy import Overrides
from scheduler_app.domain.task import Registry, Task, default_registry
from scheduler_app.domain.text import one_line
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import ConfigurationError, Fault, IdTaken, InvalidInput, SchedulerError
from scheduler_app.services.admission import admit_policies
from scheduler_app.services.definitions import brought_up, remove, remove_all_in, update
from scheduler_app.services.jobs import insert
from scheduler_app.services.opening import prepare
from scheduler_app.services.references import References
from scheduler_app.store import jobs, orders
from scheduler_app.store.database import Connections, Database
from scheduler_app.store.presence import present
from scheduler_app.store.scratch import temporary_database

LOG = logging.getLogger("scheduler_app.jobstore")
TASK_MODULES = "SCHEDULER_TASK_MODULES"
PAGE = 500
NO_OPTIONS = {
    "tablename": "its tables are called scheduler_*",
    "tableschema": "its tables are called scheduler_*",
    "metadata": "its tables are its own",
    "pickle_protocol": "it keeps JSON, and nothing is pickled",
    "engine_options": "it opens its database itself",
}


class SqlJobStore(BaseJobStore):  # type: ignore[misc]
    """A job store for an APScheduler of your own: `SqlJobStore(url="sqlite:///jobs.db", task_modules=["myapp"])`.

    `url` is an SQLAlchemy URL (or `engine` an SQLAlchemy engine, of which only the URL is taken); a database in memory
    becomes a temporary file. `task_modules` defaults to the environment variable SCHEDULER_TASK_MODULES.
    """

    def __init__(
        self,
        url: str | None = None,
        engine: Any = None,
        *,
        task_modules: Collection[str] | str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        _refuse_options(options)
        self.references = References(_packages(task_modules), Registry(parent=default_registry))
        self.url = self._url_of(url, engine)
        self._clock: Clock = SystemClock()
        self._database = Database(self.url, prepare=self._prepare)

    def _prepare(self, store: Connections) -> None:
        path = self._database.path
        prepare(store, None if path is None else path.parent, self._clock)

    def _url_of(self, url: str | None, engine: Any) -> str:
        if url is None and engine is None:
            raise ValueError('Need either "url" or "engine": SqlJobStore(url="sqlite:////var/lib/app/scheduler.db")')
        if url is None:
            engine = self.references.value(engine) if isinstance(engine, str) else engine
            url = engine.url.render_as_string(hide_password=False)
        return temporary_database() if is_in_memory(str(url)) else str(url)

    def start(self, scheduler: Any, alias: str) -> None:
        """Open the store, and make its tables if there are none."""
        super().start(scheduler, alias)
        with self._database.read():
            pass

    def shutdown(self) -> None:
        """Close the store."""
        self._database.close()

    def lookup_job(self, job_id: str) -> StoredJob | None:
        """Return a job, or None when there is none of that id, or it cannot be read here."""
        with self._database.read() as tx:
            record = jobs.find(tx, job_id)
        return None if record is None else self._load(record)

    def get_due_jobs(self, now: datetime) -> list[StoredJob]:
        """Return what is due, the earliest first; nothing while an engine lives on this store, which fires it."""
        with self._database.read() as tx:
            records = [] if self._is_driven(tx) else list(self._in_order(tx, now.astimezone(UTC)))
        return self._loaded(records)

    def get_next_run_time(self) -> datetime | None:
        """Return when the next job is due that can be run here; None while an engine lives on this store."""
        with self._database.read() as tx:
            if self._is_driven(tx):
                return None
            loaded = (self._load(record) for record in self._in_order(tx))
            return next((job.next_run_time for job in loaded if job is not None), None)

    def get_all_jobs(self) -> list[StoredJob]:
        """Return every job that is not finished, by its next time; those that are paused come last."""
        records: list[Job] = []
        after: jobs.JobPlace | None = None
        with self._database.read() as tx:
            while page := orders.page(tx, jobs.JobFilter(), after=after, limit=PAGE):
                records += [record for record, _ in page]
                after = page[-1][1]
        found = self._loaded(
            sorted(records, key=lambda record: (record.next_run_time is None, record.next_run_time, record.key))
        )
        self._fix_paused_jobs_sorting(found)
        return found

    def add_job(self, job: Any) -> None:
        """Keep a job; ConflictingIdError when there is one of its id."""
        record, now = self._record_of(job), self._clock.now()
        try:
            self._database.write(lambda tx: insert(tx, record, jobs.values_of(record), now))
        except IdTaken:
            raise ConflictingIdError(job.id) from None

    def update_job(self, job: Any) -> None:
        """Keep what has changed of a job; JobLookupError when there is none of its id."""
        now = self._clock.now()

        def work(tx: sa.Connection) -> None:
            before = jobs.find(tx, job.id)
            if before is None:
                raise JobLookupError(job.id)
            after = self._record_of(job, before)
            if self._is_driven(tx):
                before = brought_up(tx, before, after, now)
            update(tx, replace(before, state=JobState.ACTIVE), after, now)

        self._database.write(work)

    def remove_job(self, job_id: str) -> None:
        """Delete a job; JobLookupError when there is none of that id."""
        now = self._clock.now()
        if not self._database.write(lambda tx: remove(tx, job_id, now, fires=self._is_driven(tx))):
            raise JobLookupError(job_id)

    def remove_all_jobs(self) -> None:
        """Delete every job."""
        now = self._clock.now()
        self._database.write(lambda tx: remove_all_in(tx, now, fires=self._is_driven(tx)))

    def _is_driven(self, tx: sa.Connection) -> bool:
        """Whether an engine works on this store."""
        return bool(present(tx, self._clock.now()))

    def _in_order(self, tx: sa.Connection, until: datetime | None = None) -> Iterator[Job]:
        for offset in count(0, PAGE):
            page = jobs.in_order(tx, until=until, limit=PAGE, offset=offset)
            yield from page
            if len(page) < PAGE:
                return

    def _loaded(self, records: list[Job]) -> list[StoredJob]:
        return [job for record in records if (job := self._load(record)) is not None]

    def _load(self, record: Job) -> StoredJob | None:
        if record.state is JobState.BROKEN:
            LOG.error("job %s is broken and left out: %s", record.id, one_line(record.reason or ""))
            return None
        try:
            task = self.references.load(record.task)
            return dressed(record, task, scheduler=self._scheduler, alias=self._alias)
        except SchedulerError as error:
            LOG.error("job %s cannot be run here and is left out; it stays in the store: %s", record.id, error)
            return None

    def _record_of(self, job: Any, before: Job | None = None) -> Job:
        """Return what is kept of an APScheduler job; what only we know of it stays as it was."""
        now = self._clock.now()
        task = self._task_of(job)
        args, kwargs = as_json(task, job.args, job.kwargs)
        trigger = parse_trigger(to_spec(job.trigger), now=now)
        overrides = _overrides(job, before)
        due = job.next_run_time
        record = Job(
            key=0,
            id=_checked_id(job),
            name=job.name,
            task=task.name,
            args=args,
            kwargs=kwargs,
            trigger=trigger.spec,
            overrides=overrides,
            policies=admit_policies(task.overrides, overrides),
            state=JobState.PAUSED if due is None else JobState.ACTIVE,
            reason=None,
            next_run_time=trigger.first(now) if due is None else due.astimezone(UTC),
            paused_until=None,
            version=1,
            created_at=now,
            updated_at=now,
        )
        if before is not None and due is None and before.trigger == record.trigger:
            record = replace(record, next_run_time=before.next_run_time)
        return record if trigger.runs is None else _as_active_as(before, record)

    def _task_of(self, job: Any) -> Task:
        """Return the task of a job, by the name that was given if there was one."""
        if job.func_ref and getattr(job.func, "task", None) is None:
            self.references.refuse_bound(job.func, job.func_ref)
            return self.references.load(job.func_ref)
        return self.references.task_of(job.func)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} (url={self._database.url.render_as_string(hide_password=True)})>"


class InnerStore(SqlJobStore):
    """The same over a store that is somebody else's to open and close: what the scheduler inside shows."""

    def __init__(self, database: Database, references: References, clock: Clock) -> None:
        BaseJobStore.__init__(self)
        self.references = references
        self._clock = clock
        self._database = database

    def start(self, scheduler: Any, alias: str) -> None:
        """Open nothing: the engine's threads do."""
        BaseJobStore.start(self, scheduler, alias)

    def shutdown(self) -> None:
        """Close nothing."""


def is_in_memory(url: str) -> bool:
    """Whether an SQLAlchemy URL means a database in memory."""
    return url in ("sqlite://", "sqlite:///", "sqlite:///:memory:") or (
        url.startswith("sqlite") and "mode=memory" in url
    )


def _packages(given: Collection[str] | str | None) -> list[str]:
    given = os.environ.get(TASK_MODULES, "") if given is None else given
    words = given.split(",") if isinstance(given, str) else given
    return [word.strip() for word in words if word.strip()]


def _refuse_options(options: dict[str, Any]) -> None:
    for name in options:
        why = NO_OPTIONS.get(name, "it takes url, engine and task_modules")
        raise ConfigurationError(f"SqlJobStore has no option {name!r}: {why}")


def _checked_id(job: Any) -> str:
    if not is_job_id(job.id):
        raise InvalidInput.of(Fault(pointer="/id", detail=f"an id must match {ID_PATTERN}; got {job.id[:200]!r}"))
    return str(job.id)


def _as_active_as(before: Job | None, record: Job) -> Job:
    """Return a job that comes after another one: that it has no next time does not mean that it is paused."""
    if before is None:
        return replace(record, state=JobState.ACTIVE)
    return replace(record, state=before.state, reason=before.reason, paused_until=before.paused_until)


def _overrides(job: Any, before: Job | None) -> Overrides:
    if job.executor != EXECUTOR:
        raise ConfigurationError(f"job {job.id!r}: there is no executor {job.executor!r}; leave it at {EXECUTOR!r}")
    given = {"misfire_grace_time": job.misfire_grace_time, "coalesce": job.coalesce, "max_instances": job.max_instances}
    kept = {} if before is None else before.overrides.given()
    return Overrides.model_validate({**kept, **given})
