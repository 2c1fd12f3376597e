"""Who is signed in, and the codes by which somebody may: of the tokens and codes only the SHA-256 is kept."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.store.callers import api_keys, sessions, sign_in_codes
from scheduler_app.store.keys import AFTER_HEX, GOOD, SEARCHED, ApiKey, digest_of
from scheduler_app.store.rows import moment
from scheduler_app.store.statement import Statement

LONGEST = timedelta(days=7)
PRUNED_AT_ONCE = 100

BY_DIGEST = Statement(
    sa.select(sessions.c.digest, api_keys.c.id, api_keys.c.name, api_keys.c.role, api_keys.c.expires_at)
    .join_from(sessions, api_keys, api_keys.c.id == sessions.c.api_key)
    .where(
        sessions.c.digest >= sa.bindparam("from_"),
        sessions.c.digest < sa.bindparam("to_"),
        sessions.c.created_at > sa.bindparam("began_after"),
        sessions.c.seen_at > sa.bindparam("seen_after"),
        GOOD,
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """Somebody who is signed in with a key."""

    digest: str
    key: ApiKey


def insert(tx: sa.Connection, token: str, key_id: int, now: datetime) -> None:
    """Begin a session of a key."""
    values = {"digest": digest_of(token), "api_key": key_id, "created_at": to_micros(now), "seen_at": to_micros(now)}
    tx.execute(sessions.insert().values(values))


def find(tx: sa.Connection, token: str, now: datetime, *, idle: timedelta) -> Session | None:
    """Return whose session it is; None when it has ended, or its key is good no more."""
    digest = digest_of(token)
    begin = digest[:SEARCHED]
    limits = {"began_after": to_micros(now - LONGEST), "seen_after": to_micros(now - idle), "now_": to_micros(now)}
    for row in BY_DIGEST.rows(tx, from_=begin, to_=begin + AFTER_HEX, **limits):
        if hmac.compare_digest(row.digest, digest):
            key = ApiKey(id=row.id, name=row.name, role=row.role, expires_at=moment(row.expires_at))
            return Session(digest=row.digest, key=key)
    return None


def note_seen(tx: sa.Connection, digest: str, now: datetime) -> None:
    """Remember when somebody was there last."""
    tx.execute(sessions.update().where(sessions.c.digest == digest).values(seen_at=to_micros(now)))


def end(tx: sa.Connection, digest: str) -> bool:
    """End a session; whether there was one."""
    return tx.execute(sessions.delete().where(sessions.c.digest == digest)).rowcount > 0


def end_of_key(tx: sa.Connection, key_id: int) -> None:
    """End every session of a key, and forget its codes."""
    for table in (sessions, sign_in_codes):
        tx.execute(table.delete().where(table.c.api_key == key_id))


def prune(tx: sa.Connection, now: datetime, *, idle: timedelta) -> None:
    """Forget some of the sessions that have ended, and codes that were not used."""
    over = sa.or_(sessions.c.created_at <= to_micros(now - LONGEST), sessions.c.seen_at <= to_micros(now - idle))
    some = sa.select(sessions.c.digest).where(over).limit(PRUNED_AT_ONCE)
    tx.execute(sessions.delete().where(sessions.c.digest.in_(some)))
    tx.execute(sign_in_codes.delete().where(sign_in_codes.c.expires_at <= to_micros(now)))


def insert_code(tx: sa.Connection, code: str, key_id: int, expires_at: datetime) -> None:
    """Keep a code that signs in with a key, once."""
    values = {"digest": digest_of(code), "api_key": key_id, "expires_at": to_micros(expires_at)}
    tx.execute(sign_in_codes.insert().values(values))


def has_code(tx: sa.Connection, code: str, now: datetime) -> bool:
    """Whether a code signs in still."""
    known = sa.select(sign_in_codes.c.digest).where(
        sign_in_codes.c.digest == digest_of(code), sign_in_codes.c.expires_at > to_micros(now)
    )
    return tx.execute(known).first() is not None


def take_code(tx: sa.Connection, code: str, now: datetime) -> int | None:
    """Use a code up and return the id of its key; None when it was used, or is too old, or never was."""
    used = (
        sign_in_codes.delete()
        .where(sign_in_codes.c.digest == digest_of(code), sign_in_codes.c.expires_at > to_micros(now))
        .returning(sign_in_codes.c.api_key)
    )
    key_id: int | None = tx.execute(used).scalar()
    return key_id
