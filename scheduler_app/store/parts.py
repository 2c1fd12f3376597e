"""Lists of a million rows, page by page: a list is parts behind each other, and each part is read along an index.

Which index that is, is not left to the planner of the database, which does not know how rare a value is: what a filter
asks for is written so that no index serves it, but for one. Either a filter lets few rows through, FEW at most:
then these are found by the filter's index, and sorted. Or it does not: then the index of the order is walked, and soon
there are enough rows for a page. A filter whose index has the order too makes a stream of each of its values.

What several filters let through may lie far apart, however much each does. So a walk ends at an edge, after WALKED
rows: the page is then shorter, or empty, and tells where to go on.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from scheduler_app.clock import to_micros

FEW, WALKED = 2_000, 2_000
Condition = sa.ColumnElement[bool]
# what a part is sorted by, and what tells rows apart that are alike in that
Place = tuple[int, Any]
Span = tuple[int | None, int | None]
Item = TypeVar("Item")
At = TypeVar("At")


@dataclass(frozen=True)
class Stream:
    """Some of the rows of a part, found by an index: that of the order, `in_order`, or another one, and sorted then."""

    where: tuple[Any, ...] = ()
    in_order: bool = True


WALK = (Stream(),)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows that stand together in a list: `by` which columns they are sorted, all `down` or all up.

    `value` goes with the last of `by` into a place. All rows are in `streams`, one or several. `within` is what the
    order's index holds; the first of `by` is in `span`, its ends included. For `where` each row is looked up.
    """

    key: sa.Column[Any]
    source: sa.FromClause
    where: tuple[Any, ...]
    by: tuple[sa.Column[Any], ...]
    value: sa.ColumnElement[int]
    within: tuple[Any, ...] = ()
    span: Span = (None, None)
    down: bool = False
    streams: tuple[Stream, ...] = WALK


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which rows are wanted: up to `limit` after a place, which lies in part `at`, or, `backward`, before it.

    `walked` is how many rows a walk passes at most; None: as many as it takes.
    """

    limit: int
    backward: bool = False
    walked: int | None = None
    at: int | None = None
    after: Place | None = None

    @classmethod
    def quick(cls, limit: int) -> "Window":
        """Return one that is not walked for long, and that has room for a row that tells that there are more."""
        return cls(limit=limit + 1, walked=WALKED)


def cut(found: Sequence[tuple[Item, At]], edge: At | None, limit: int) -> tuple[Sequence[tuple[Item, At]], At | None]:
    """Return what of a quick window is its page; and where to go on, its last row or the edge, None at the end."""
    return found[:limit], found[limit - 1][1] if len(found) > limit else edge


def shroud(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a column in words that no index serves."""
    return column.concat("") if isinstance(column.type, sa.Text) else column + sa.literal_column("0")


def span(since: datetime | None, until: datetime | None) -> Span:
    """Return what lies from one time to before another."""
    return None if since is None else to_micros(since), None if until is None else to_micros(until) - 1


def few(tx: sa.Connection, key: sa.Column[Any], sources: Iterable[sa.Select[Any]]) -> Stream | None:
    """Return the rows of the first of these sources that has FEW at most; None when none has."""
    for source in sources:
        known = source.correlate(None)
        counted = sa.select(sa.func.count()).select_from(known.limit(FEW + 1).subquery())
        if tx.execute(counted).scalar_one() <= FEW:
            return Stream((key.in_(known),), in_order=False)
    return None


def page(tx: sa.Connection, parts: Sequence[Part], window: Window) -> tuple[list[sa.Row[Any]], Place | None]:
    """Return the rows in a window, each as `key`, `value` and `mark`; and the place at which a walk gave up."""
    after, found, edge = window.after, list[sa.Row[Any]](), None
    for part in _from(parts, window):
        if len(found) == window.limit or edge is not None:
            break
        rest = replace(window, after=after, limit=window.limit - len(found))
        edge = _edge(tx, part, rest)
        found += _read(tx, part, rest, edge)
        after = None
    return found[::-1] if window.backward else found, edge if len(found) < window.limit else None


def _from(parts: Sequence[Part], window: Window) -> Sequence[Part]:
    """Return the parts that the window may reach into, in its direction."""
    if window.backward:
        return parts[len(parts) - 1 if window.at is None else window.at :: -1]
    return parts[window.at or 0 :]


def _edge(tx: sa.Connection, part: Part, window: Window) -> Place | None:
    """Return the first place beyond which a stream of a part is not walked; None where all come to an end before."""
    walks = [stream for stream in part.streams if stream.in_order]
    if window.walked is None or not walks or not part.where:
        return None
    last = window.walked // len(walks) - 1
    queries = (_in_order(part, _places(part), stream, window, None).offset(last).limit(1) for stream in walks)
    edges = [(row.value, row.mark) for query in queries for row in tx.execute(query)]
    return (max if _is_down(part, window) else min)(edges, default=None)


def _read(tx: sa.Connection, part: Part, window: Window, edge: Place | None) -> list[sa.Row[Any]]:
    query = _places(part).add_columns(part.key.label("key")).select_from(part.source).where(*part.where)
    queries = (_in_order(part, query, stream, window, edge).limit(window.limit) for stream in part.streams)
    found = [row for query in queries for row in tx.execute(query)]
    if len(part.streams) > 1:
        found = list({row.key: row for row in found}.values())
        found.sort(key=lambda row: (row.value, row.mark), reverse=_is_down(part, window))
    return found[: window.limit]


def _places(part: Part) -> sa.Select[Any]:
    return sa.select(part.value.label("value"), part.by[-1].label("mark"))


def _is_down(part: Part, window: Window) -> bool:
    return part.down != window.backward


def _in_order(part: Part, query: sa.Select[Any], stream: Stream, window: Window, edge: Place | None) -> sa.Select[Any]:
    """Return a query of what a stream has beyond the beginning of a window, up to an edge, in order.

    There is one bound on each side, the nearest: SQLite looks an index up by one, whichever comes first.
    """
    by: Sequence[Any] = part.by if stream.in_order else [shroud(column) for column in part.by]
    down = _is_down(part, window)
    first, last = part.span[::-1] if down else part.span
    if window.after is None:
        begin = _bound(by, operator.le if down else operator.ge, (first,))
    else:
        begin = _bound(by, operator.lt if down else operator.gt, window.after[-len(by) :])
    end = _bound(by, operator.ge if down else operator.le, (last,) if edge is None else edge[-len(by) :])
    order = (column.desc() for column in by) if down else by
    return query.where(*stream.where, *part.within, *begin, *end).order_by(*order)


def _bound(by: Sequence[Any], side: Callable[[Any, Any], Condition], place: tuple[Any, ...]) -> list[Condition]:
    """Return what holds on one side of a place, of which the first is found in an index."""
    if place == (None,):
        return []
    bounds = [side(sa.tuple_(*by[: len(place)]), sa.tuple_(*place))]
    if len(place) > 1:
        bounds.append(by[0] <= place[0] if side in (operator.lt, operator.le) else by[0] >= place[0])
    return bounds
