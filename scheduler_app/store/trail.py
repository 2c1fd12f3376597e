"""The audit of changes: each row is written in the transaction of the change that it tells of, and never changed."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.change import bounded
from scheduler_app.store import parts
from scheduler_app.store.callers import audit
from scheduler_app.store.lanes import notes
from scheduler_app.store.statement import Statement
from scheduler_app.values import value


@value
class Entry:
    """Who changed what: `before` and `after` hold what the change has changed."""

    at: datetime
    who: str
    what: str
    subject: str | None = None
    api_key: int | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    request_id: str | None = None
    id: int = 0


class Change(NamedTuple):
    """What is to be written of a change, with the others of its transaction."""

    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TrailFilter:
    """Which changes a page shows; empty means any. Those in `hidden` are shown to nobody."""

    who: tuple[str, ...] = ()
    what: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    hidden: tuple[str, ...] = ()


WRITTEN = [column.name for column in audit.columns if column.name != "id"]
INSERT = Statement(audit.insert(), columns=WRITTEN)
OLDEST = Statement(sa.select(audit.c.id).where(audit.c.at < sa.bindparam("limit_")).order_by(audit.c.at).limit(1))


def values_of(entry: Entry) -> dict[str, Any]:
    """Return what is written of a change."""
    return {
        "at": to_micros(entry.at),
        "who": entry.who,
        "api_key": entry.api_key,
        "what": entry.what,
        "subject": entry.subject,
        "before": None if entry.before is None else bounded(entry.before),
        "after": None if entry.after is None else bounded(entry.after),
        "request_id": entry.request_id,
    }


def insert(tx: sa.Connection, entry: Entry) -> None:
    """Note a change; it is written at the end of the transaction."""
    notes(tx).append(Change(values_of(entry)))


def add(tx: sa.Connection, changes: Iterable[Change]) -> None:
    """Write what was noted."""
    INSERT.many(tx, [change.values for change in changes])


def page(tx: sa.Connection, where: TrailFilter, *, after: int | None, limit: int) -> tuple[list[Entry], int | None]:
    """Return changes, the newest first, as `store.parts` tells; and after which to go on, None at the end."""
    window = parts.Window.quick(limit)
    if after is not None:
        at = tx.execute(sa.select(audit.c.at).where(audit.c.id == after)).scalar()
        if at is None:  # what was older is forgotten too
            return [], None
        window = replace(window, at=0, after=(at, after))
    found, edge = parts.page(tx, [_part(tx, where)], window)
    rows = {row.id: row for row in tx.execute(sa.select(audit).where(audit.c.id.in_([row.key for row in found])))}
    entries = [(_entry(rows[row.key]), row.key) for row in found]
    page_, further = parts.cut(entries, None if edge is None else edge[1], limit)
    return [entry for entry, _ in page_], further


def _part(tx: sa.Connection, where: TrailFilter) -> parts.Part:
    """Return the list: by when, where that is asked for, as the ids tell else."""
    by_time = where.since is not None or where.until is not None
    return parts.Part(
        key=audit.c.id,
        source=audit,
        where=tuple(_fits(where)),
        by=(audit.c.at, audit.c.id) if by_time else (audit.c.id,),
        value=audit.c.at,
        span=parts.span(where.since, where.until),
        down=True,
        streams=tuple(_streams(tx, where, by_time)),
    )


def _streams(tx: sa.Connection, where: TrailFilter, by_time: bool) -> Iterator[parts.Stream]:
    if where.subjects and not by_time:
        yield from (parts.Stream((audit.c.subject == subject,)) for subject in where.subjects)
        return
    of_subjects = [sa.select(audit.c.id).where(audit.c.subject.in_(where.subjects))] if where.subjects else []
    yield parts.few(tx, audit.c.id, of_subjects) or parts.Stream()


def _fits(where: TrailFilter) -> Iterator[sa.ColumnElement[bool]]:
    for column, values in ((audit.c.who, where.who), (audit.c.what, where.what), (audit.c.subject, where.subjects)):
        if values:
            yield parts.shroud(column).in_(values)
    if where.hidden:
        yield audit.c.what.not_in(where.hidden)


def has_older(tx: sa.Connection, than: datetime) -> bool:
    """Whether there is a change from before a time."""
    return OLDEST.scalar(tx, limit_=to_micros(than)) is not None


def prune(tx: sa.Connection, than: datetime, most: int) -> None:
    """Forget some of the changes from before a time, the oldest first."""
    old = sa.select(audit.c.id).where(audit.c.at < to_micros(than)).order_by(audit.c.at).limit(most)
    tx.execute(audit.delete().where(audit.c.id.in_(old)))


def _entry(row: sa.Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        at=from_micros(row.at),
        who=row.who,
        what=row.what,
        subject=row.subject,
        api_key=row.api_key,
        before=None if row.before is None else json.loads(row.before),
        after=None if row.after is None else json.loads(row.after),
        request_id=row.request_id,
    )
