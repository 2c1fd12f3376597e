"""API keys: only their SHA-256 is kept, and of a revoked one not even that."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.store.callers import api_keys
from scheduler_app.store.rows import micros, moment
from scheduler_app.store.statement import Statement

# what the index is searched by; the rest of a digest is compared in constant time
SEARCHED = 16
AFTER_HEX = "g"
PREFIX_SHOWN = 6


class KeyState(StrEnum):
    """Whether a key is good."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """Who may call: a name and a role."""

    id: int
    name: str
    role: str
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRow:
    """What is known of a key, the key itself left out; `prefix` are its first characters, unknown of old keys."""

    id: int
    name: str
    role: str
    prefix: str | None
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> KeyState:
        """Return whether the key is good."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        return KeyState.EXPIRED if self.expires_at is not None and self.expires_at <= now else KeyState.ACTIVE


@dataclass(frozen=True, kw_only=True, slots=True)
class NewKey:
    """A key that is to be kept."""

    name: str
    role: str
    secret: str
    created_by: str | None = None
    expires_at: datetime | None = None


def digest_of(secret: str) -> str:
    """Return what is kept of a key: 32 random bytes need no salt and no stretching."""
    return hashlib.sha256(secret.encode()).hexdigest()


def insert(tx: sa.Connection, key: NewKey, now: datetime) -> int:
    """Keep a key's digest, and return the id of the key."""
    values = {
        "name": key.name,
        "role": key.role,
        "digest": digest_of(key.secret),
        "prefix": key.secret[:PREFIX_SHOWN],
        "created_at": to_micros(now),
        "created_by": key.created_by,
        "expires_at": micros(key.expires_at),
    }
    added: int = tx.execute(api_keys.insert().values(values).returning(api_keys.c.id)).scalar_one()
    return added


GOOD = sa.and_(
    api_keys.c.revoked_at.is_(None),
    sa.or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > sa.bindparam("now_")),
)
BY_DIGEST = Statement(
    sa.select(api_keys.c.id, api_keys.c.name, api_keys.c.role, api_keys.c.digest, api_keys.c.expires_at).where(
        api_keys.c.digest >= sa.bindparam("from_"), api_keys.c.digest < sa.bindparam("to_"), GOOD
    )
)


def find(tx: sa.Connection, secret: str, now: datetime) -> ApiKey | None:
    """Return whose key it is; None for a wrong, expired or revoked one. Digests are compared in constant time."""
    digest = digest_of(secret)
    begin = digest[:SEARCHED]
    for row in BY_DIGEST.rows(tx, from_=begin, to_=begin + AFTER_HEX, now_=to_micros(now)):
        if hmac.compare_digest(row.digest, digest):
            return ApiKey(id=row.id, name=row.name, role=row.role, expires_at=moment(row.expires_at))
    return None


def good(tx: sa.Connection, key_id: int, now: datetime) -> ApiKey | None:
    """Return the key of an id, None when it is good no more."""
    return _first_good(tx, api_keys.c.id == key_id, now)


def oldest_good(tx: sa.Connection, role: str, now: datetime) -> ApiKey | None:
    """Return the oldest good key of a role, rather one that does not expire; None when there is none."""
    return _first_good(tx, api_keys.c.role == role, now)


def _first_good(tx: sa.Connection, which: sa.ColumnElement[bool], now: datetime) -> ApiKey | None:
    query = sa.select(api_keys).where(which, GOOD).order_by(api_keys.c.expires_at.is_not(None), api_keys.c.id)
    row = tx.execute(query.limit(1), {"now_": to_micros(now)}).first()
    return None if row is None else ApiKey(id=row.id, name=row.name, role=row.role, expires_at=moment(row.expires_at))


def get(tx: sa.Connection, key_id: int) -> KeyRow | None:
    """Return a key, also one that is good no more."""
    row = tx.execute(sa.select(api_keys).where(api_keys.c.id == key_id)).first()
    return None if row is None else _row(row)


def page(tx: sa.Connection, states: tuple[str, ...], *, after: int | None, limit: int, now: datetime) -> list[KeyRow]:
    """Return keys in the order in which they were made; without states those that are not revoked."""
    query = sa.select(api_keys).order_by(api_keys.c.id).limit(limit)
    if after is not None:
        query = query.where(api_keys.c.id > after)
    wanted = states or (KeyState.ACTIVE, KeyState.EXPIRED)
    state = sa.case(
        (api_keys.c.revoked_at.is_not(None), KeyState.REVOKED),
        (api_keys.c.expires_at <= to_micros(now), KeyState.EXPIRED),
        else_=KeyState.ACTIVE,
    )
    return [_row(row) for row in tx.execute(query.where(state.in_(wanted)))]


def is_in_use(tx: sa.Connection, name: str, now: datetime) -> bool:
    """Whether a good key has this name."""
    query = sa.select(api_keys.c.id).where(api_keys.c.name == name, GOOD)
    return tx.execute(query, {"now_": to_micros(now)}).first() is not None


def is_last_lasting(tx: sa.Connection, key_id: int, role: str) -> bool:
    """Whether no other key has this role and neither expires nor is revoked."""
    others = sa.select(api_keys.c.id).where(
        api_keys.c.id != key_id,
        api_keys.c.role == role,
        api_keys.c.revoked_at.is_(None),
        api_keys.c.expires_at.is_(None),
    )
    return tx.execute(others).first() is None


def revoke(tx: sa.Connection, key_id: int, now: datetime) -> None:
    """Make a key good no more, also for older versions of this package, which know digests only."""
    tx.execute(
        api_keys.update().where(api_keys.c.id == key_id).values(revoked_at=to_micros(now), digest=f"revoked {key_id}")
    )


def note_use(tx: sa.Connection, key_id: int, now: datetime, *, after: timedelta) -> None:
    """Remember that a key was used, unless a use within that time is known."""
    last = api_keys.c.last_used_at
    tx.execute(
        api_keys.update()
        .where(api_keys.c.id == key_id, sa.or_(last.is_(None), last <= to_micros(now - after)))
        .values(last_used_at=to_micros(now))
    )


def _row(row: sa.Row[Any]) -> KeyRow:
    return KeyRow(
        id=row.id,
        name=row.name,
        role=row.role,
        prefix=row.prefix,
        created_at=from_micros(row.created_at),
        created_by=row.created_by,
        expires_at=moment(row.expires_at),
        last_used_at=moment(row.last_used_at),
        revoked_at=moment(row.revoked_at),
    )
