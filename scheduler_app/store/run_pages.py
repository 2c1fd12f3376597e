"""A page of runs in any order and through any filter, read as `store.parts` tells."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
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

Found = Sequence[tuple[Run, RunPlace]]
# the value of what has not finished, and comes last, the newest first
NONE = 0
# by as much the clocks of two hosts may differ: of the one that finds a run due, and of the one where it ends
CLOCKS_APART = timedelta(minutes=1)
BY_IDS = Statement(sa.select(runs).where(Among(runs.c.id, "ids")))


def page(tx: sa.Connection, where: RunFilter, *, after: RunPlace | None, limit: int) -> Found:
    """Return the runs that fit, in order, beginning after a place; each with its own."""
    found, _ = _read(tx, where, after, parts.Window(limit=limit))
    return found


def quick_page(
    tx: sa.Connection, where: RunFilter, *, after: RunPlace | None, limit: int
) -> tuple[Found, RunPlace | None]:
    """Return runs as `page` does, but fewer where it would walk for long; and where to go on, None at the end."""
    return parts.cut(*_read(tx, where, after, parts.Window.quick(limit)), limit)


def _read(
    tx: sa.Connection, where: RunFilter, after: RunPlace | None, window: parts.Window
) -> tuple[Found, RunPlace | None]:
    if where.sort in by_measure.MEASURES:
        return _measured(tx, where, after, window.limit), None
    all_parts = _with_streams(tx, where, _parts(where))
    if after is not None:
        at = len(all_parts) - 1 if after.value == NONE else 0
        window = replace(window, at=at, after=(after.value, after.id))
    found, edge = parts.page(tx, all_parts, window)
    rows = {row.id: run_of(row) for row in BY_IDS.rows(tx, ids=[row.key for row in found])} if found else {}
    runs_found = [(rows[row.key], RunPlace(value=row.value, id=row.key)) for row in found]
    return runs_found, None if edge is None else RunPlace(value=edge[0], id=edge[1])


def _measured(tx: sa.Connection, where: RunFilter, after: RunPlace | None, limit: int) -> Found:
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
    """Return the parts of a list; within bounds of time the newest is what ended, or was scheduled, last."""
    if where.has_ended:
        return [_by_time(where, runs.c.finished_at, where.ended_since, where.ended_until)]
    if where.sort == "-finished_at":
        since = None if where.since is None else where.since - CLOCKS_APART
        return [_by_time(where, runs.c.finished_at, since, None), _by_id(where, sa.text(f"NOT ({ENDED})"))]
    if where.since is None and where.until is None:
        return [_by_id(where)]
    return [_by_time(where, runs.c.scheduled_at, where.since, where.until)]


def _by_time(where: RunFilter, at: sa.Column[Any], since: datetime | None, until: datetime | None) -> Part:
    return Part(
        key=runs.c.id,
        source=runs,
        where=tuple(_fits(where)),
        by=(at, runs.c.id),
        value=at,
        within=(sa.text(ENDED),) if at is runs.c.finished_at else (),
        span=parts.span(since, until),
        down=True,
    )


def _by_id(where: RunFilter, *more: Any) -> Part:
    value = sa.literal_column(str(NONE), sa.BigInteger)
    return Part(key=runs.c.id, source=runs, where=(*_fits(where), *more), by=(runs.c.id,), value=value, down=True)


def _with_streams(tx: sa.Connection, where: RunFilter, found: list[Part]) -> list[Part]:
    """Return the parts with their streams: of the filter whose index has the order, or of another that fits few."""
    by = found[0].by[0]
    walked = _walked(where, by)
    few = parts.few(tx, runs.c.id, [ids for name, ids in _sources(where) if name != walked])
    if few is not None:
        return [replace(part, streams=(few,)) for part in found]
    ended, *unended = [replace(part, streams=tuple(_streams(where, walked))) for part in found]
    if not unended:
        return [ended]
    still_open = parts.few(tx, runs.c.id, [_ids(sa.text(OPEN_RUNS))])
    return [ended, replace(unended[0], streams=parts.WALK if still_open is None else (still_open,))]


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


def _sources(where: RunFilter) -> Iterator[tuple[str, sa.Select[Any]]]:
    """Yield for each filter the ids that its index finds, and more of them than fit the whole."""
    if where.job_ids:
        yield "job_ids", _ids(runs.c.job_id.in_(where.job_ids))
    if _are_unwell(where):
        yield "states", _ids(sa.text(UNWELL), runs.c.state.in_(where.states))
    if where.states and set(where.states) <= {*OPEN_STATES}:
        yield "open", _ids(sa.text(OPEN_RUNS))
    if _are_by_hand(where):
        yield "origins", _ids(sa.text(BY_HAND), runs.c.origin.in_(where.origins))
    if where.tasks:
        yield "tasks", _ids(runs.c.task.in_(where.tasks))
    if where.since is not None or where.until is not None:
        yield "scheduled", _ids(*_within(where, runs.c.scheduled_at))
    if where.has_ended:
        yield "ended", _ids(sa.text(ENDED), *_ended_within(where, runs.c.finished_at))


def _ids(*conditions: Any) -> sa.Select[Any]:
    return sa.select(runs.c.id).where(*conditions)


def _are_unwell(where: RunFilter) -> bool:
    return bool(where.states) and not set(where.states) & {*OPEN_STATES, RunState.SUCCEEDED}


def _are_by_hand(where: RunFilter) -> bool:
    return bool(where.origins) and Origin.SCHEDULE not in where.origins


def _walked(where: RunFilter, by: sa.ColumnElement[Any]) -> str | None:
    """Return the filter whose index has an order."""
    by_id = by is runs.c.id
    if by_id and where.job_ids:
        return "job_ids"
    if _are_unwell(where) and (by_id or by is runs.c.finished_at):
        return "states"
    if by_id and _are_by_hand(where):
        return "origins"
    return "tasks" if by_id and where.tasks else None


def _streams(where: RunFilter, walked: str | None) -> Iterator[Stream]:
    """Yield what one index after the other has in an order."""
    if walked == "states":
        yield from (Stream((sa.text(UNWELL), runs.c.state == state)) for state in where.states)
    elif walked == "origins":
        yield from (Stream((sa.text(BY_HAND), runs.c.origin == origin)) for origin in where.origins)
    elif walked == "job_ids":
        yield from (Stream((runs.c.job_id == job,)) for job in where.job_ids)
    elif walked == "tasks":
        yield from (Stream((runs.c.task == task,)) for task in where.tasks)
    else:
        yield Stream()
