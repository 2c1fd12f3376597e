"""Runs in the order in which they finished, the last one first; what has not finished comes after, newest first.

Of all runs an index has them in order. Those of some jobs, or of states that are rare, fill a page from the last few
thousand that finished, or are few enough to be sorted: their ids alone, before the rows of one page are read.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from scheduler_app.store.tables import runs

NOT_FINISHED = -(2**63)
LATEST = 5_000
ENDED = sa.text("finished_at IS NOT NULL")
UNENDED = sa.text("finished_at IS NULL")
BY_END = (runs.c.finished_at, runs.c.id)
FINISHED = sa.func.coalesce(runs.c.finished_at, NOT_FINISHED)

Place = tuple[int, int]


def walked(tx: sa.Connection, where: Sequence[Any], after: Place | None, limit: int) -> Sequence[sa.Row[Any]]:
    """Return up to `limit` runs after a place, by the index."""
    found: list[sa.Row[Any]] = []
    if after is None or after[0] != NOT_FINISHED:
        found += walked_of_ended(tx, where, after, limit)
        after = None
    if len(found) < limit:
        rest = _select(where, UNENDED).order_by(runs.c.id.desc()).limit(limit - len(found))
        found += tx.execute(rest if after is None else rest.where(runs.c.id < after[1]))
    return found


def walked_of_ended(tx: sa.Connection, where: Sequence[Any], after: Place | None, limit: int) -> Sequence[sa.Row[Any]]:
    """Return up to `limit` runs that have ended, after a place, by the index."""
    ended = _select(where, ENDED).order_by(*_down(*BY_END)).limit(limit)
    return tx.execute(ended if after is None else ended.where(sa.tuple_(*BY_END) < sa.tuple_(*after))).all()


def chosen(tx: sa.Connection, where: Sequence[Any], after: Place | None, limit: int) -> Sequence[sa.Row[Any]]:
    """Return up to `limit` runs after a place, where few of all fit."""
    found = _among_latest(tx, where, after, limit)
    return found if len(found) == limit else _sorted(tx, where, after, limit)


def _among_latest(tx: sa.Connection, where: Sequence[Any], after: Place | None, limit: int) -> Sequence[sa.Row[Any]]:
    latest = sa.select(runs.c.id).where(ENDED).order_by(*_down(*BY_END)).limit(LATEST)
    if after is not None:
        latest = latest.where(sa.tuple_(*BY_END) < sa.tuple_(*after))
    return tx.execute(_select(where, runs.c.id.in_(latest)).order_by(*_down(*BY_END)).limit(limit)).all()


def _sorted(tx: sa.Connection, where: Sequence[Any], after: Place | None, limit: int) -> Sequence[sa.Row[Any]]:
    ids = sa.select(runs.c.id).where(*where).order_by(*_down(FINISHED, runs.c.id)).limit(limit)
    if after is not None:
        ids = ids.where(sa.tuple_(FINISHED, runs.c.id) < sa.tuple_(*after))
    return tx.execute(_select([runs.c.id.in_(ids)]).order_by(*_down(FINISHED, runs.c.id))).all()


def _down(*columns: sa.ColumnElement[Any]) -> list[sa.UnaryExpression[Any]]:
    return [column.desc() for column in columns]


def _select(where: Sequence[Any], *more: Any) -> sa.Select[Any]:
    return sa.select(runs, FINISHED.label("sorted_by")).where(*where, *more)
