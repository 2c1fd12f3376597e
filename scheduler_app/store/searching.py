"""Jobs of which something begins with some words, found by an index each, however many jobs there are."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from scheduler_app.store.jobs import LAST_CHARACTER
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import NAMED, job_tags, jobs

MOST = 250


def _beginning(key: sa.Column[Any], column: sa.Column[Any], *more: Any) -> Statement:
    return Statement(
        sa.select(key.label("key"))
        .where(column >= sa.bindparam("begin"), column < sa.bindparam("end"), *more)
        .order_by(column)
        .limit(sa.bindparam("most"))
    )


BY_ID = _beginning(jobs.c.key, jobs.c.id)
BY_NAME = _beginning(jobs.c.key, jobs.c.name, sa.text(NAMED))
BY_TASK = _beginning(jobs.c.key, jobs.c.task)
BY_TAG = _beginning(job_tags.c.job_key, job_tags.c.tag)


@dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """The jobs of which something begins with words; `is_cut`: there are more. `by_id_alone`: only their ids do."""

    keys: tuple[int, ...]
    is_cut: bool
    by_id_alone: bool


def beginning_with(tx: sa.Connection, words: str) -> Beginning:
    """Return the jobs whose id, name, task or a tag begins with these words, the first 250 by each."""
    found = [_keys(statement, tx, words) for statement in (BY_ID, BY_NAME, BY_TASK, BY_TAG)]
    return Beginning(
        keys=tuple(sorted({key for keys in found for key in keys})),
        is_cut=any(len(keys) == MOST for keys in found),
        by_id_alone=not any(found[1:]),
    )


def _keys(statement: Statement, tx: sa.Connection, words: str) -> list[int]:
    return [row.key for row in statement.rows(tx, begin=words, end=words + LAST_CHARACTER, most=MOST)]
