"""Lists of a million rows, page by page: a list is parts behind each other, and each part is read along an index.

Which index that is, is not left to the planner of the database, which does not know how rare a value is: what a filter
asks for is written so that no index serves it, but for one. Either a filter lets few rows through, FEW at most:
then these are found by the filter's index, and sorted. Or it does not: then the index of the order is walked, and soon
there are enough rows for a page. A filter whose index has the order too makes a stream of each of its values.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

FEW, SOME = 4_000, 12_000
Condition = sa.ColumnElement[bool]
# what a part is sorted by, and what tells rows apart that are alike in that
Place = tuple[int, Any]


@dataclass(frozen=True)
class Stream:
    """Some of the rows of a part, found by an index: that of the order, `in_order`, or another one, and sorted then."""

    where: tuple[Any, ...] = ()
    in_order: bool = True


WALK = (Stream(),)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows that stand together in a list: `by` which columns they are sorted, all `down` or all up.

    `value` goes with the last of `by` into a place. All rows are in `streams`, one or several.
    """

    key: sa.Column[Any]
    source: sa.FromClause
    where: tuple[Any, ...]
    by: tuple[sa.Column[Any], ...]
    value: sa.ColumnElement[int]
    down: bool = False
    streams: tuple[Stream, ...] = WALK


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which rows are wanted: up to `limit` after a place, which lies in part `at`, or, `backward`, before it."""

    limit: int
    backward: bool = False
    at: int | None = None
    after: Place | None = None


def shroud(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a column in words that no index serves."""
    return column.concat("") if isinstance(column.type, sa.Text) else column + sa.literal_column("0")


def few(tx: sa.Connection, key: sa.Column[Any], sources: Iterable[sa.Select[Any]]) -> Stream | None:
    """Return the rows of the first of these sources that has FEW at most; None when none has.

    What two filters let through may be nothing, however much each does: then of SOME at most.
    """
    known = [source.correlate(None) for source in sources]
    for most in (FEW, SOME) if len(known) > 1 else (FEW,):
        for source in known:
            counted = sa.select(sa.func.count()).select_from(source.limit(most + 1).subquery())
            if tx.execute(counted).scalar_one() <= most:
                return Stream((key.in_(source),), in_order=False)
    return None


def page(tx: sa.Connection, parts: Sequence[Part], window: Window) -> list[sa.Row[Any]]:
    """Return the rows in a window, each as `key`, `value` and `mark`."""
    after, found = window.after, list[sa.Row[Any]]()
    for part in _from(parts, window):
        if len(found) == window.limit:
            break
        found += _read(tx, part, after, window.limit - len(found), window.backward)
        after = None
    return found[::-1] if window.backward else found


def _from(parts: Sequence[Part], window: Window) -> Sequence[Part]:
    """Return the parts that the window may reach into, in its direction."""
    if window.backward:
        return parts[len(parts) - 1 if window.at is None else window.at :: -1]
    return parts[window.at or 0 :]


def _read(tx: sa.Connection, part: Part, after: Place | None, limit: int, backward: bool) -> list[sa.Row[Any]]:
    down = part.down != backward
    found = [row for stream in part.streams for row in tx.execute(_query(part, stream, after, down).limit(limit))]
    if len(part.streams) > 1:
        found = list({row.key: row for row in found}.values())
        found.sort(key=lambda row: row[-len(part.by) :], reverse=down)
    return found[:limit]


def _query(part: Part, stream: Stream, after: Place | None, down: bool) -> sa.Select[Any]:
    by: Sequence[Any] = part.by if stream.in_order else [shroud(column) for column in part.by]
    query = sa.select(part.key.label("key"), part.value.label("value"), part.by[-1].label("mark"))
    query = query.select_from(part.source).where(*stream.where, *part.where)
    if after is not None:
        query = query.where(*_beyond(by, after[-len(by) :], down))
    return query.order_by(*(column.desc() for column in by) if down else by)


def _beyond(by: Sequence[Any], after: Sequence[Any], down: bool) -> list[Condition]:
    here, there = sa.tuple_(*by), sa.tuple_(*after)
    beyond: list[Condition] = [here < there if down else here > there]
    if len(by) > 1:  # the first column alone finds the place in an index
        beyond.append(by[0] <= after[0] if down else by[0] >= after[0])
    return beyond
