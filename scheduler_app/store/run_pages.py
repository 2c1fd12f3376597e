"""A page of runs in any order and through any filter, read as `store.parts` tells."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.domain.run import OPEN_STATES, Origin, Run, RunState
from scheduler_app.store import by_measure, parts
from scheduler_app.store.parts import Part, Stream, shroud
from scheduler_app.store.rows import run_of
from scheduler_app.store.runs import RunFilter, RunPlace
from scheduler_app.store.statement import Among, Statement
from scheduler_app.store.tables import BY_HAND, ENDED, OPEN_RUNS, UNWELL, runs

# the value of what has not finished, and comes last, the newest first
NONE = 0
BY_IDS = Statement(sa.select(runs).where(Among(runs.c.id, "ids")))


def page(tx: sa.Connection, where: RunFilter, *, after: RunPlace | None, limit: int) -> list[tuple[Run, RunPlace]]:
    """Return the runs that fit, in order, beginning after a place; each with its own."""
    if where.sort in by_measure.MEASURES:
        return _measured(tx, where, after, limit)
    all_parts = _with_streams(tx, where, _parts(where))
    window = parts.Window(limit=limit)
    if after is not None:
        at = len(all_parts) - 1 if after.value == NONE else 0
        window = replace(window, at=at, after=(after.value, after.id))
    found = parts.page(tx, all_parts, window)
    rows = {row.id: run_of(row) for row in BY_IDS.rows(tx, ids=[row.key for row in found])} if found else {}
    return [(rows[row.key], RunPlace(value=row.value, id=row.key)) for row in found]


def _measured(tx: sa.Connection, where: RunFilter, after: RunPlace | None, limit: int) -> list[tuple[Run, RunPlace]]:
    if where.job_ids:
        newest = by_measure.newest_of_jobs(where.job_ids)
    elif _are_unwell(where):
        newest = by_measure.newest_of_states(where.states)
    else:
        newest = by_measure.ended_last(where.since, where.until)
    place = None if after is None else (after.value, after.id)
    rows = by_measure.page(tx, newest, [*_fits(where)], where.sort, place, limit)
    return [(run_of(row), RunPlace(value=row.sorted_by, id=row.id)) for row in rows]


def _parts(where: RunFilter) -> list[Part]:
    """Return the parts of a list; within bounds of time the newest is what was scheduled last."""
    if where.sort == "-finished_at":
        ended = _part(where, runs.c.finished_at, sa.text(ENDED), *_ended_within(where, runs.c.finished_at))
        return [ended] if where.has_ended else [ended, _part(where, None, sa.text(f"NOT ({ENDED})"))]
    if where.since is None and where.until is None:
        return [_part(where, None)]
    return [_part(where, runs.c.scheduled_at, *_within(where, runs.c.scheduled_at))]


def _part(where: RunFilter, value: sa.Column[Any] | None, *more: Any) -> Part:
    return Part(
        key=runs.c.id,
        source=runs,
        where=(*_fits(where), *more),
        by=(runs.c.id,) if value is None else (value, runs.c.id),
        value=sa.literal_column(str(NONE), sa.BigInteger) if value is None else value,
        down=True,
    )


def _with_streams(tx: sa.Connection, where: RunFilter, found: list[Part]) -> list[Part]:
    few = parts.few(tx, runs.c.id, _sources(where))
    if few is not None:
        return [replace(part, streams=(few,)) for part in found]
    if where.sort != "-finished_at" or where.has_ended:
        return [replace(part, streams=tuple(_streams(where, part.by[0]))) for part in found]
    ended, unended = found
    still_open = parts.few(tx, runs.c.id, [_ids(sa.text(OPEN_RUNS))])
    return [
        replace(ended, streams=tuple(_streams(where, runs.c.finished_at))),
        replace(unended, streams=parts.WALK if still_open is None else (still_open,)),
    ]


def _fits(where: RunFilter) -> Iterator[Any]:
    """Yield what a filter asks for, so that no index serves it."""
    for column, values in (
        (runs.c.state, where.states),
        (runs.c.job_id, where.job_ids),
        (runs.c.task, where.tasks),
        (runs.c.origin, where.origins),
    ):
        if values:
            yield shroud(column).in_(values)
    yield from _within(where, shroud(runs.c.scheduled_at))
    yield from _ended_within(where, shroud(runs.c.finished_at))


def _within(where: RunFilter, at: sa.ColumnElement[int]) -> Iterator[Any]:
    if where.since is not None:
        yield at >= to_micros(where.since)
    if where.until is not None:
        yield at < to_micros(where.until)


def _ended_within(where: RunFilter, at: sa.ColumnElement[int]) -> Iterator[Any]:
    if where.ended_since is not None:
        yield at >= to_micros(where.ended_since)
    if where.ended_until is not None:
        yield at < to_micros(where.ended_until)


def _sources(where: RunFilter) -> Iterator[sa.Select[Any]]:
    """Yield for each filter the ids that its index finds, and more of them than fit the whole."""
    if where.job_ids:
        yield _ids(runs.c.job_id.in_(where.job_ids))
    if _are_unwell(where):
        yield _ids(sa.text(UNWELL), runs.c.state.in_(where.states))
    if where.states and set(where.states) <= {*OPEN_STATES}:
        yield _ids(sa.text(OPEN_RUNS))
    if _are_by_hand(where):
        yield _ids(sa.text(BY_HAND), runs.c.origin.in_(where.origins))
    if where.tasks:
        yield _ids(runs.c.task.in_(where.tasks))
    if where.since is not None or where.until is not None:
        yield _ids(*_within(where, runs.c.scheduled_at))
    if where.has_ended:
        yield _ids(sa.text(ENDED), *_ended_within(where, runs.c.finished_at))


def _ids(*conditions: Any) -> sa.Select[Any]:
    return sa.select(runs.c.id).where(*conditions)


def _are_unwell(where: RunFilter) -> bool:
    return bool(where.states) and not set(where.states) & {*OPEN_STATES, RunState.SUCCEEDED}


def _are_by_hand(where: RunFilter) -> bool:
    return bool(where.origins) and Origin.SCHEDULE not in where.origins


def _streams(where: RunFilter, by: sa.ColumnElement[Any]) -> Iterator[Stream]:
    """Yield what one index after the other has in an order; of one job so few are kept that they are sorted."""
    by_id, by_end = by is runs.c.id, by is runs.c.finished_at
    if where.job_ids:
        yield from (Stream((runs.c.job_id == job,), in_order=by_id) for job in where.job_ids)
    elif _are_unwell(where) and (by_id or by_end):
        yield from (Stream((sa.text(UNWELL), runs.c.state == state)) for state in where.states)
    elif _are_by_hand(where) and by_id:
        yield from (Stream((sa.text(BY_HAND), runs.c.origin == origin)) for origin in where.origins)
    elif where.tasks and by_id:
        yield from (Stream((runs.c.task == task,)) for task in where.tasks)
    else:
        yield Stream()
