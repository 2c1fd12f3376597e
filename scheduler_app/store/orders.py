"""A page of jobs in any of its orders and through any of its filters, read as `store.parts` tells."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.compact import compact
from scheduler_app.domain.job import Job, JobState, LastRun
from scheduler_app.store import parts
from scheduler_app.store.jobs import (
    LACKS_PARENT,
    LARGEST,
    LAST_CHARACTER,
    JobFilter,
    JobPlace,
    containing,
    covering,
    shown,
)
from scheduler_app.store.parts import Condition, Part, Stream, shroud
from scheduler_app.store.statement import Among, Statement
from scheduler_app.store.tables import HELD, NAMED, TIMED, TRIGGERED, job_stats, job_tags, jobs, runs

Found = Sequence[tuple[Job, JobPlace]]
# the value of what has none, and comes last, by id
NONE = 1 - 2**63
VALUES = {
    "next_run_time": jobs.c.next_run_time,
    "updated_at": jobs.c.updated_at,
    "usual": job_stats.c.usual,
    "last_failure": job_stats.c.last_failure,
}
BY_KEYS = Statement(sa.select(jobs, LACKS_PARENT).where(Among(jobs.c.key, "keys")))
_newest = sa.select(runs.c.id).where(runs.c.job_id == jobs.c.id).order_by(runs.c.id.desc()).limit(1)
LAST_RUNS = Statement(
    sa.select(runs.c.id, runs.c.job_key, runs.c.state)
    .select_from(jobs.join(runs, runs.c.id == _newest.correlate(jobs).scalar_subquery()))
    .where(Among(jobs.c.key, "keys"))
)


def page(tx: sa.Connection, where: JobFilter, *, after: JobPlace | None, limit: int, backward: bool = False) -> Found:
    """Return the jobs that fit, in order, beginning after a place; each with its own. `backward`: those before it."""
    found, _ = _read(tx, where, after, parts.Window(limit=limit, backward=backward))
    return found


def quick_page(
    tx: sa.Connection, where: JobFilter, *, after: JobPlace | None, limit: int
) -> tuple[Found, JobPlace | None]:
    """Return jobs as `page` does, but fewer where it would walk for long; and where to go on, None at the end."""
    return parts.cut(*_read(tx, where, after, parts.Window.quick(limit)), limit)


def _read(
    tx: sa.Connection, where: JobFilter, after: JobPlace | None, window: parts.Window
) -> tuple[Found, JobPlace | None]:
    all_parts = _with_streams(tx, where, _parts(where))
    if after is not None:
        window = replace(window, at=len(all_parts) - 1 if after.value == NONE else 0, after=_place(where, after))
    found, edge = parts.page(tx, all_parts, window)
    return _whole(tx, found), None if edge is None else JobPlace(value=edge[0], id=str(edge[1]))


def _with_streams(tx: sa.Connection, where: JobFilter, found: Sequence[Part]) -> list[Part]:
    few = _listed(where.keys) if where.keys is not None else _few(tx, where)
    if few is not None:
        return [replace(part, streams=(few,)) for part in found]
    streams = {"id": tuple(_streams(tx, where)), "updated_at": tuple(_changed(where))}
    return [replace(part, streams=streams.get(part.by[0].name, parts.WALK)) for part in found]


def _few(tx: sa.Connection, where: JobFilter) -> Stream | None:
    few = parts.few(tx, jobs.c.key, _sources(where))
    index = covering(where.states)
    return few if few is not None or index in (HELD, "true") else parts.few(tx, jobs.c.key, [_keys(sa.text(index))])


def _listed(keys: Sequence[int]) -> Stream:
    return Stream((jobs.c.key.in_(keys),), in_order=False)


def _whole(tx: sa.Connection, found: Sequence[sa.Row[Any]]) -> Found:
    """Return the jobs of a page, each with its place and its newest run."""
    if not found:
        return []
    keys = [row.key for row in found]
    newest = {run.job_key: LastRun(id=run.id, state=run.state) for run in LAST_RUNS.rows(tx, keys=keys)}
    rows = {row.key: row for row in BY_KEYS.rows(tx, keys=keys)}
    places = [JobPlace(value=row.value, id=str(row.mark)) for row in found]
    return [(shown(rows[key], newest), place) for key, place in zip(keys, places, strict=True)]


def _parts(where: JobFilter) -> list[Part]:
    """Return the parts of a list: what has a value to be sorted by, by value and key; then what has none, by id."""
    kind, down = where.sort.removeprefix("-"), where.sort.startswith("-")
    if kind == "id":
        return [_by_id(where, down=down)]
    value = VALUES[kind]
    if kind == "updated_at":
        return [_by_value(where, value, down=down)]
    if kind == "next_run_time":
        span = parts.span(None, where.next_run_before)
        timed = [_by_value(where, value, sa.text(TIMED), down=down, span=span)] if _may_be_timed(where) else []
        return timed if where.next_run_before else [*timed, _by_id(where, sa.text(f"NOT ({TIMED})"))]
    return [
        _by_value(where, value, value.is_not(None), down=down),
        _by_id(where, value.is_(None), source=jobs.outerjoin(job_stats, job_stats.c.job_key == jobs.c.key)),
    ]


def _by_value(
    where: JobFilter, value: sa.Column[Any], *within: Any, down: bool, span: parts.Span = (None, None)
) -> Part:
    is_stat = value.table is job_stats
    return Part(
        key=jobs.c.key,
        source=job_stats.join(jobs, jobs.c.key == job_stats.c.job_key) if is_stat else jobs,
        where=tuple(_fits(where)),
        by=(value, job_stats.c.job_key if is_stat else jobs.c.key),
        value=value,
        within=within,
        span=span,
        down=down,
    )


def _by_id(where: JobFilter, *more: Any, down: bool = False, source: sa.FromClause = jobs) -> Part:
    value = sa.literal_column(str(NONE), sa.BigInteger)
    return Part(key=jobs.c.key, source=source, where=(*_fits(where), *more), by=(jobs.c.id,), value=value, down=down)


def _may_be_timed(where: JobFilter) -> bool:
    return not where.states or JobState.ACTIVE in where.states


def _due(where: JobFilter) -> tuple[Any, ...]:
    before = where.next_run_before
    return (sa.text(TIMED), *(() if before is None else (jobs.c.next_run_time < to_micros(before),)))


def _place(where: JobFilter, after: JobPlace) -> parts.Place:
    """Return a place; what is no key where one should be lies before all keys."""
    if after.value == NONE or where.sort.endswith("id"):
        return after.value, after.id
    return after.value, min(int(after.id), LARGEST) if after.id.isdecimal() else 0


def _fits(where: JobFilter) -> Iterator[Condition]:
    """Yield what a filter asks for, so that no index serves it."""
    if not where.states:
        yield shroud(jobs.c.state) != JobState.FINISHED
    for column, values in (
        (jobs.c.state, where.states),
        (jobs.c.task, where.tasks),
        (jobs.c.trigger_type, where.triggers),
    ):
        if values:
            yield shroud(column).in_(values)
    if where.tags:
        yield _has_tag(where.tags)
    if where.first_tag is not None:
        beginning = compact([where.first_tag])[:-1] if where.first_tag else compact([])
        yield sa.func.substr(jobs.c.tags, 1, len(beginning)) == beginning
    if where.next_run_before is not None:
        yield shroud(jobs.c.state) == JobState.ACTIVE
        yield shroud(jobs.c.next_run_time) < to_micros(where.next_run_before)
    if where.id_prefix is not None:
        yield _begins(jobs.c.id, where.id_prefix)
    if where.prefix is not None:
        yield sa.or_(_begins(jobs.c.id, where.prefix), _begins(jobs.c.name, where.prefix))
    if where.contains is not None:
        yield sa.or_(*containing(where.contains))


def _has_tag(tags: Sequence[str]) -> Condition:
    return sa.exists().where(job_tags.c.tag.in_(tags), job_tags.c.job_key == jobs.c.key).correlate(jobs)


def _begins(column: sa.ColumnElement[str], prefix: str) -> Condition:
    return sa.func.substr(column, 1, len(prefix)) == prefix


def _within(column: sa.ColumnElement[str], prefix: str) -> Condition:
    return sa.and_(column >= prefix, column < prefix + LAST_CHARACTER)


def _sources(where: JobFilter) -> Iterator[sa.Select[Any]]:
    """Yield for each filter the keys that its index finds, and more of them than fit the whole."""
    if where.tags:
        yield sa.select(job_tags.c.job_key).where(job_tags.c.tag.in_(where.tags))
    if where.first_tag:
        yield sa.select(job_tags.c.job_key).where(job_tags.c.tag == where.first_tag)
    if where.tasks:
        yield _keys(jobs.c.task.in_(where.tasks))
    if where.triggers and JobState.FINISHED not in where.states:
        yield _keys(sa.text(TRIGGERED), jobs.c.trigger_type.in_(where.triggers))
    if where.next_run_before is not None:
        yield _keys(*_due(where))
    if where.id_prefix is not None:
        yield _keys(_within(jobs.c.id, where.id_prefix))
    if where.prefix is not None:
        yield _any(_keys(_within(jobs.c.id, where.prefix)), _named(where.prefix))
    if covering(where.states) == HELD:
        yield _keys(sa.text(HELD), jobs.c.state.in_(where.states))


def _keys(*conditions: Any) -> sa.Select[Any]:
    return sa.select(jobs.c.key).where(*conditions)


def _named(prefix: str) -> sa.Select[Any]:
    """Return the keys of jobs by name; of those named as their task the task tells, and no index has their names."""
    own, as_task = _keys(sa.text(NAMED), _within(jobs.c.name, prefix)), _keys(_within(jobs.c.task, prefix))
    return _any(own, as_task)


def _any(*sources: sa.Select[Any]) -> sa.Select[Any]:
    return sa.select(sa.union_all(*(source.correlate(None) for source in sources)).subquery().c.key)


def _streams(tx: sa.Connection, where: JobFilter) -> Iterator[Stream]:
    """Yield what one index after the other has in the order of ids."""
    if where.id_prefix is not None:
        yield Stream((_within(jobs.c.id, where.id_prefix),))
    elif where.tasks:
        yield from (Stream((jobs.c.task == task,)) for task in where.tasks)
    elif where.triggers and JobState.FINISHED not in where.states:
        yield from (Stream((sa.text(TRIGGERED), jobs.c.trigger_type == kind)) for kind in where.triggers)
    elif covering(where.states) == HELD:
        yield from (Stream((sa.text(HELD), jobs.c.state == state)) for state in where.states)
    elif where.prefix is not None and (named := parts.few(tx, jobs.c.key, [_named(where.prefix)])) is not None:
        yield from (Stream((_within(jobs.c.id, where.prefix),)), named)
    else:
        yield Stream((sa.text(covering(where.states)),))


def _changed(where: JobFilter) -> Iterator[Stream]:
    """Yield the same in the order of changes."""
    if covering(where.states) == HELD:
        yield from (Stream((sa.text(HELD), jobs.c.state == state)) for state in where.states)
    else:
        yield Stream()
