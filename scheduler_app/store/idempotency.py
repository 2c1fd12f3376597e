"""Answers kept for an `Idempotency-Key`, each written in the transaction of what it answers."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.clock import to_micros
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import idempotency

KEPT = timedelta(hours=24)
PRUNED_AT_ONCE = 20
OLD = Statement(sa.select(idempotency.c.key).where(idempotency.c.created_at <= sa.bindparam("limit_")).limit(1))


@dataclass(frozen=True, kw_only=True)
class KeptAnswer:
    """What was answered, to be answered again."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class KeyedCall:
    """A call under a key: whose key of the API, the key that the caller chose, and what tells the call from others."""

    api_key: int
    key: str
    fingerprint: str


def find(tx: sa.Connection, call: KeyedCall, now: datetime) -> tuple[str, KeptAnswer] | None:
    """Return the fingerprint and the answer kept under a key; None when there is none, or it is older than 24 h."""
    row = tx.execute(
        sa.select(idempotency).where(
            idempotency.c.api_key == call.api_key,
            idempotency.c.key == call.key,
            idempotency.c.created_at > to_micros(now - KEPT),
        )
    ).first()
    if row is None:
        return None
    return row.fingerprint, KeptAnswer(status=row.status, headers=json.loads(row.headers), body=row.body)


def keep(tx: sa.Connection, call: KeyedCall, answer: KeptAnswer, now: datetime) -> None:
    """Keep an answer, in place of one that is too old."""
    insert = postgresql.insert(idempotency).values(
        api_key=call.api_key,
        key=call.key,
        fingerprint=call.fingerprint,
        status=answer.status,
        headers=json.dumps(answer.headers),
        body=answer.body,
        created_at=to_micros(now),
    )
    fresh = {name: insert.excluded[name] for name in ("fingerprint", "status", "headers", "body", "created_at")}
    tx.execute(insert.on_conflict_do_update(index_elements=["api_key", "key"], set_=fresh))


def has_expired(tx: sa.Connection, now: datetime) -> bool:
    """Whether an answer is older than 24 h."""
    return OLD.scalar(tx, limit_=to_micros(now - KEPT)) is not None


def prune(tx: sa.Connection, now: datetime, most: int = PRUNED_AT_ONCE) -> int:
    """Remove some of the answers that are older than 24 h, the oldest first; return how many."""
    old = (
        sa.select(idempotency.c.api_key, idempotency.c.key)
        .where(idempotency.c.created_at <= to_micros(now - KEPT))
        .order_by(idempotency.c.created_at)
        .limit(most)
    )
    return tx.execute(idempotency.delete().where(sa.tuple_(idempotency.c.api_key, idempotency.c.key).in_(old))).rowcount
