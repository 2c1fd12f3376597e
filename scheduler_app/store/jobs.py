"""Jobs in the store: one function a statement."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.clock import to_micros
from scheduler_app.domain.compact import compact
from scheduler_app.domain.job import Job, JobState, LastRun
from scheduler_app.domain.policy import POLICY_NAMES
from scheduler_app.store.endings import PLANS, Gone
from scheduler_app.store.lanes import notes, wake_others
from scheduler_app.store.rows import PolicyColumns, job_of, job_values
from scheduler_app.store.statement import Among, Insert, Statement
from scheduler_app.store.tables import FINISHED, HELD, LAPSING, OPEN, job_tags, jobs, open_runs, runs

LARGEST = 2**63 - 1
LAST_CHARACTER = "\U0010ffff"
# an engine looks every second; what is due after that needs no waking
FOUND_ANYHOW = 1_500_000


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs a page shows, and in which order (`-`: the largest first); an empty tuple means any.

    `keys` are those that alone may be meant, `first_tag` the tag that stands first, "" where there is none.
    `id_prefix` is found by index, `prefix`, which may begin a name too, is looked for, as is what an id, a name, a
    task or a tag `contains`. `words` become one of these before the store is asked: services.searching.
    """

    states: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    next_run_before: datetime | None = None
    prefix: str | None = None
    sort: str = "id"
    keys: tuple[int, ...] | None = None
    first_tag: str | None = None
    id_prefix: str | None = None
    contains: str | None = None
    words: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPlace:
    """Where a job stands in a list: what the list is sorted by; then its key, in digits, or, where there is no value,
    its id."""

    value: int
    id: str


def values_of(job: Job) -> dict[str, Any]:
    """Return what `insert` writes, so that it can be made before the transaction."""
    return job_values(job)


INSERT = Insert(
    postgresql.insert(jobs).on_conflict_do_nothing(index_elements=["id"]),
    jobs.c.key,
    columns=[column.name for column in jobs.columns if column.name not in ("key", "skip_count", "pruned_until")],
)


def insert(tx: sa.Connection, job: Job, values: Mapping[str, Any]) -> int | None:
    """Insert a job by its `values_of` and return its key; None when its id is taken."""
    key = INSERT.key(tx, values)
    if key is not None:
        _follow_up(tx, key, job, values)
    return key


def insert_all(tx: sa.Connection, some: Sequence[tuple[Job, Mapping[str, Any]]]) -> list[int | None]:
    """Insert jobs, each by its `values_of`, and return their keys; None for one whose id is taken."""
    keys = INSERT.keys(tx, [values for _, values in some])
    for (job, values), key in zip(some, keys, strict=True):
        if key is not None:
            _follow_up(tx, key, job, values)
    return keys


def _follow_up(tx: sa.Connection, key: int, job: Job, values: Mapping[str, Any]) -> None:
    _wake_for(tx, values)
    insert_tags(tx, key, job.policies.tags)


INSERT_TAG = Statement(job_tags.insert(), columns=["tag", "job_key"])


def insert_tags(tx: sa.Connection, key: int, tags: Sequence[str]) -> None:
    """Add the tags of a job that has none."""
    if tags:
        INSERT_TAG.many(tx, [{"tag": tag, "job_key": key} for tag in dict.fromkeys(tags)])


DELETE_TAGS = Statement(job_tags.delete().where(job_tags.c.job_key == sa.bindparam("key_")))


def delete_tags(tx: sa.Connection, key: int) -> None:
    """Remove every tag of a job."""
    DELETE_TAGS.run(tx, key_=key)


LAST_RUN = Statement(
    sa.select(runs.c.id, runs.c.job_key, runs.c.state)
    .where(runs.c.job_id == sa.bindparam("id_"))
    .order_by(runs.c.id.desc())
    .limit(1)
)


_parents = jobs.alias("parents")
LACKS_PARENT = sa.and_(
    jobs.c.after_job.is_not(None), ~sa.exists().where(_parents.c.id == jobs.c.after_job).correlate(jobs)
).label("lacks_parent")
FIND = Statement(sa.select(jobs, LACKS_PARENT).where(jobs.c.id == sa.bindparam("id_")))


def find(tx: sa.Connection, job_id: str) -> Job | None:
    """Return the job of that id, or None."""
    for row in FIND.rows(tx, id_=job_id):
        newest = [run for run in LAST_RUN.rows(tx, id_=job_id) if run.job_key == row.key]
        return shown(row, {run.job_key: LastRun(id=run.id, state=run.state) for run in newest})
    return None


def shown(row: Any, newest: Mapping[int, LastRun]) -> Job:
    """Return the job of a row, with its newest run, if that is known."""
    return job_of(row, newest.get(row.key), lacks_parent=bool(row.lacks_parent))


WRITTEN = [column.name for column in jobs.columns if column.name not in ("key", "pruned_until")]
UPDATE = Statement(
    jobs.update()
    .where(jobs.c.key == sa.bindparam("key_"), jobs.c.version == sa.bindparam("version_"))
    .values({name: sa.bindparam(name) for name in WRITTEN})
)


def update(tx: sa.Connection, job: Job, *, version: int | None) -> bool:
    """Write a changed job if it still has `version`, when one is given; whether it had."""
    values = job_values(job)
    _wake_for(tx, values)
    notes(tx).append(PLANS)
    if version is not None and not job.unreadable:
        return UPDATE.run(tx, key_=job.key, version_=version, **values) == 1
    still = sa.true() if version is None else jobs.c.version == version
    return tx.execute(jobs.update().where(jobs.c.key == job.key, still).values(values)).rowcount == 1


def _wake_for(tx: sa.Connection, values: Mapping[str, Any]) -> None:
    """Wake the other engines for a job that is due before they look by themselves."""
    due, changed_at = values.get("next_run_time"), values.get("updated_at")
    if due is not None and (changed_at is None or due <= changed_at + FOUND_ANYHOW):
        wake_others(tx)


DELETE = Statement(jobs.delete().where(jobs.c.key == sa.bindparam("key_")))


def delete(tx: sa.Connection, key: int) -> None:
    """Remove a job; its runs stay."""
    delete_tags(tx, key)
    DELETE.run(tx, key_=key)
    notes(tx).append(Gone(key))


def conditions(where: JobFilter) -> Iterator[sa.ColumnElement[bool]]:
    """Yield what holds of the jobs that a filter lets through."""
    yield sa.text(covering(where.states))  # type: ignore[misc]  # a text is taken where a condition is
    for column, values in (
        (jobs.c.state, where.states),
        (jobs.c.task, where.tasks),
        (jobs.c.trigger_type, where.triggers),
    ):
        if values:
            yield column.in_(values)
    if where.tags:
        yield jobs.c.key.in_(sa.select(job_tags.c.job_key).where(job_tags.c.tag.in_(where.tags)))
    if where.keys is not None:
        yield jobs.c.key.in_(where.keys)
    if where.first_tag is not None:
        yield from _first_tag(where.first_tag)
    if where.next_run_before is not None:
        yield jobs.c.state == JobState.ACTIVE
        yield jobs.c.next_run_time < to_micros(where.next_run_before)
    if where.id_prefix is not None:
        yield jobs.c.id >= where.id_prefix
        yield jobs.c.id < where.id_prefix + LAST_CHARACTER
    if where.contains is not None:
        yield sa.or_(*containing(where.contains))
    if where.prefix is not None:
        size = len(where.prefix)
        yield sa.or_(*(sa.func.substr(column, 1, size) == where.prefix for column in (jobs.c.id, jobs.c.name)))


def containing(words: str) -> Iterator[sa.ColumnElement[bool]]:
    """Yield what one of holds of the jobs that have these words somewhere, in any case of the letters A to Z."""
    like = f"%{words.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
    pattern = sa.func.lower(sa.literal(like))
    for column in (jobs.c.id, jobs.c.name, jobs.c.task):
        yield sa.func.lower(column).like(pattern, escape="!")
    has_tag = sa.exists().where(
        job_tags.c.job_key == jobs.c.key, sa.func.lower(job_tags.c.tag).like(pattern, escape="!")
    )
    yield has_tag.correlate(jobs)


def _first_tag(tag: str) -> Iterator[sa.ColumnElement[bool]]:
    """Tags are kept in their order as JSON; the table of tags finds those that have it at all."""
    if not tag:
        yield jobs.c.tags == compact([])
        return
    beginning = compact([tag])[:-1]
    yield jobs.c.key.in_(sa.select(job_tags.c.job_key).where(job_tags.c.tag == tag))
    yield sa.func.substr(jobs.c.tags, 1, len(beginning)) == beginning


def count(tx: sa.Connection, where: JobFilter) -> int:
    """Return how many jobs fit."""
    return tx.execute(sa.select(sa.func.count()).select_from(jobs).where(*conditions(where))).scalar_one()


def count_up_to(tx: sa.Connection, where: JobFilter, most: int) -> int:
    """Return how many jobs fit, at most `most`: no more rows than that are looked at."""
    some = sa.select(jobs.c.key).where(*conditions(where)).limit(most).subquery()
    return tx.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()


def tags(tx: sa.Connection, most: int) -> list[str]:
    """Return the tags that jobs have, in order, at most `most`: each is found by the index, its jobs are not walked."""
    found = sa.select(sa.func.min(job_tags.c.tag).label("tag")).cte("found", recursive=True)
    beyond = sa.select(sa.func.min(job_tags.c.tag)).where(job_tags.c.tag > found.c.tag).scalar_subquery()
    found = found.union_all(sa.select(beyond).where(found.c.tag.is_not(None)))
    return list(tx.execute(sa.select(found.c.tag).where(found.c.tag.is_not(None)).limit(most)).scalars())


def soonest(tx: sa.Connection, until: datetime, limit: int) -> list[Job]:
    """Return the jobs that fire first, up to a time, and those whose pause ends by then."""
    due = sa.select(jobs).where(
        jobs.c.state == sa.literal_column("'active'"),
        jobs.c.next_run_time.is_not(None),
        jobs.c.next_run_time <= to_micros(until),
    )
    ending = sa.select(jobs).where(sa.text(LAPSING), jobs.c.paused_until <= to_micros(until))
    rows = [*tx.execute(due.order_by(jobs.c.next_run_time).limit(limit)), *tx.execute(ending.limit(limit))]
    return [job_of(row) for row in rows]


def by_keys(tx: sa.Connection, keys: Collection[int]) -> list[Job]:
    """Return the jobs of these keys that there are still."""
    return [job_of(row) for row in tx.execute(sa.select(jobs).where(jobs.c.key.in_(keys)))]


OF_TASK = Statement(
    sa.select(jobs.c.id, jobs.c.overrides, *(jobs.c[name] for name in POLICY_NAMES))
    .where(jobs.c.task == sa.bindparam("task"), jobs.c.id > sa.bindparam("after"))
    .order_by(jobs.c.id)
    .limit(sa.bindparam("most"))
)


def of_task(tx: sa.Connection, task: str, *, after: str, limit: int) -> list[tuple[str, PolicyColumns]]:
    """Return jobs of a task, by id, beginning after one: each one's id, and what its policies are read from."""
    return [(row.id, tuple(row[1:])) for row in OF_TASK.rows(tx, task=task, after=after, most=limit)]


def in_order(tx: sa.Connection, *, until: datetime | None = None, limit: int, offset: int = 0) -> list[Job]:
    """Return active jobs in the order in which they fire next, all or those due at `until`."""
    due = sa.text("state = 'active' AND next_run_time IS NOT NULL")
    query = sa.select(jobs).where(due).order_by(jobs.c.next_run_time, jobs.c.key).limit(limit).offset(offset)
    if until is not None:
        query = query.where(jobs.c.next_run_time <= to_micros(until))
    return [job_of(row) for row in tx.execute(query)]


def ids(tx: sa.Connection) -> list[str]:
    """Return the id of every job, of finished ones too."""
    return list(tx.execute(sa.select(jobs.c.id).order_by(jobs.c.key)).scalars())


def covering(states: tuple[str, ...]) -> str:
    """Return the condition, true of every job in these states, of the narrowest index that holds them all."""
    if states and set(states) <= {JobState.PAUSED, JobState.BROKEN}:
        return HELD
    if set(states) == {JobState.FINISHED}:
        return FINISHED
    return "true" if JobState.FINISHED in states else OPEN


def finish_left(tx: sa.Connection, keys: Collection[int]) -> None:
    """Finish those of these jobs, of which runs have ended, that have nothing due and no open run."""
    if keys:
        finish_idle(tx, [row.key for row in FIRING_NO_MORE.rows(tx, keys=[*keys])])


def finish_idle(tx: sa.Connection, keys: Collection[int]) -> None:
    """Finish those of these jobs that have nothing due and no open run."""
    if keys:
        FINISH_IDLE.many(tx, [{"key_": key} for key in set(keys)])


FIRING_NO_MORE = Statement(sa.select(jobs.c.key).where(Among(jobs.c.key, "keys"), jobs.c.next_run_time.is_(None)))
FINISH_IDLE = Statement(
    jobs.update()
    .where(
        jobs.c.key == sa.bindparam("key_"),
        sa.text("scheduler_jobs.state IN ('active', 'paused')"),
        jobs.c.next_run_time.is_(None),
        jobs.c.after_job.is_(None),
        ~sa.exists().where(runs.c.job_key == jobs.c.key, sa.text(open_runs("scheduler_runs."))),
    )
    .values(state=JobState.FINISHED, reason=None, version=jobs.c.version + 1),
    named=("key_",),
)


def skips(tx: sa.Connection, keys: Sequence[int]) -> dict[int, int]:
    """Return how many of their next firings these jobs skip, where it is any."""
    rows: Any = tx.execute(sa.select(jobs.c.key, jobs.c.skip_count).where(jobs.c.key.in_(keys), jobs.c.skip_count > 0))
    return dict(rows.all())
