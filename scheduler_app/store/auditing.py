"""Read from a store what an audit needs: the rows that break a promise, the structure, the jobs and their firings."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.job import Job
from scheduler_app.domain.ledger import Recorded
from scheduler_app.store import schema
from scheduler_app.store.facts import PAUSE
from scheduler_app.store.promises import (
    CHECKS,
    KNOWS_JSON,
    OLDER_POSTGRESQL,
    POSTGRESQL,
    SQLITE,
    Check,
    Words,
    in_words,
)
from scheduler_app.store.rows import job_of, moment
from scheduler_app.store.tables import facts, jobs, metadata, runs

OVERDUE = timedelta(seconds=60)
JSON_TEXTS = (jobs.c.tags, runs.c.args, runs.c.kwargs, runs.c.result, runs.c.retry, facts.c.value)
ATTENDED = """SELECT count(*) FROM scheduler_engines WHERE state = 'running' AND started_at < :since
 AND beat_at >= :since AND last_pass_at >= :since"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Breach:
    """A broken promise: its number, the job and the run that show it, and what was found."""

    promise: int
    job: str | None
    run: int | None
    found: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRecord:
    """A job as it is kept, and up to when its firings were pruned. `stored_state` is what its row says."""

    job: Job
    stored_state: str
    pruned_until: datetime | None


def broken_rows(tx: sa.Connection, now: datetime) -> Iterator[tuple[Check, list[Any]]]:
    """Make every check, and return for each the rows that it selects."""
    attended = _is_attended(tx, now)
    values: dict[str, Any] = {
        "attended": attended,
        "fires": attended and not _is_paused(tx),
        "overdue": to_micros(now - OVERDUE),
    }
    words = _words(tx)
    if words is OLDER_POSTGRESQL:
        values |= {"no_json": _unreadable(tx, JSON_TEXTS, object), "no_tags": _unreadable(tx, JSON_TEXTS[:1], list)}
    for check in CHECKS:
        sql = in_words(check.sql, words)
        yield replace(check, sql=sql), list(tx.execute(sa.text(sql), values))


def _words(tx: sa.Connection) -> Words:
    if tx.dialect.name == "sqlite":
        return SQLITE
    return POSTGRESQL if (tx.dialect.server_version_info or ()) >= KNOWS_JSON else OLDER_POSTGRESQL


def _unreadable(tx: sa.Connection, columns: Iterable[sa.Column[str]], kind: type) -> list[str]:
    """Return the texts that are no JSON of a kind, each once."""
    texts = sa.union(*map(sa.select, columns))
    return [text for text in tx.execute(texts).scalars() if text is not None and not _holds(text, kind)]


def _holds(text: str, kind: type) -> bool:
    try:
        return isinstance(from_json(text, allow_inf_nan=False), kind)
    except ValueError:
        return False


def _is_attended(tx: sa.Connection, now: datetime) -> bool:
    """Whether an engine has been there, beating, for as long as it may take to do what is due."""
    return bool(tx.execute(sa.text(ATTENDED), {"since": to_micros(now - OVERDUE)}).scalar_one())


def _is_paused(tx: sa.Connection) -> bool:
    return tx.execute(sa.select(facts.c.name).where(facts.c.name == PAUSE)).first() is not None


def damages(tx: sa.Connection) -> list[str]:
    """Return what SQLite finds wrong with the file; a server looks after its own."""
    if tx.dialect.name != "sqlite":
        return []
    return [row[0] for row in tx.execute(sa.text("PRAGMA integrity_check")) if row[0] != "ok"]


def differences(tx: sa.Connection) -> list[str]:
    """Return in what the tables are not those of this version: another schema, or something that is missing."""
    problem = schema.unknown_version(tx)
    return missing_structure(tx) if problem is None else [problem]


def missing_structure(tx: sa.Connection) -> list[str]:
    """Return which tables, indexes and unique constraints are not as this version makes them."""
    if tx.dialect.name != "sqlite":
        return list(_missing_names(tx))
    fresh = sa.create_engine("sqlite://")
    metadata.create_all(fresh)
    with fresh.connect() as connection:
        wanted = _structure(connection)
    fresh.dispose()
    found = _structure(tx)
    return [
        f"{kind} {name} is {'missing' if (kind, name) not in found else 'not as it was made'}"
        for (kind, name), sql in wanted.items()
        if found.get((kind, name)) != sql
    ]


def _missing_names(tx: sa.Connection) -> Iterator[str]:
    """Return which tables, columns and indexes a server's database lacks, or has otherwise."""
    inspector = sa.inspect(tx)
    present = set(inspector.get_table_names())
    for table in metadata.sorted_tables:
        if table.name not in present:
            yield f"table {table.name} is missing"
            continue
        columns = {column["name"] for column in inspector.get_columns(table.name)}
        yield from (f"column {table.name}.{name} is missing" for name in set(table.columns.keys()) - columns)
        indexes = {index["name"]: index["unique"] for index in inspector.get_indexes(table.name)}
        for index in table.indexes:
            if indexes.get(str(index.name)) is not index.unique:
                yield f"index {index.name} is {'not as it was made' if index.name in indexes else 'missing'}"


def _structure(tx: sa.Connection) -> dict[tuple[str, str], str]:
    rows = tx.execute(sa.text("SELECT type, name, sql FROM sqlite_master WHERE name LIKE 'scheduler~_%' ESCAPE '~'"))
    return {(row.type, row.name): "".join((row.sql or "").split()).lower() for row in rows}


def records(tx: sa.Connection) -> Iterator[JobRecord]:
    """Return every job."""
    for row in tx.execute(sa.select(jobs).order_by(jobs.c.key)):
        yield JobRecord(job=job_of(row), stored_state=row.state, pruned_until=moment(row.pruned_until))


def firings(tx: sa.Connection, key: int) -> Iterator[Recorded]:
    """Return what is recorded of a job's firings, in the order of their times."""
    columns = (runs.c.id, runs.c.scheduled_at, runs.c.missed_since, runs.c.missed_until, runs.c.missed_count)
    query = sa.select(*columns).where(runs.c.job_key == key, runs.c.origin == sa.literal_column("'schedule'"))
    for row in tx.execute(query.order_by(runs.c.scheduled_at, runs.c.id)):
        is_range = row.missed_since is not None and row.missed_until is not None
        yield Recorded(
            run=row.id,
            first=from_micros(row.scheduled_at),
            last=from_micros(max(row.missed_until, row.scheduled_at) if is_range else row.scheduled_at),
            count=row.missed_count if is_range else 1,
        )


def counts(tx: sa.Connection) -> dict[str, int]:
    """Return how many rows there are of what is audited."""
    return {
        table.name.removeprefix("scheduler_"): tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in (jobs, runs)
    }
