"""Who may call: keys of 32 random bytes, of which only the digest is kept.

Invariant kept here: there is always an admin key that does not expire, so that nobody locks everybody out.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduler_app.clock import rfc3339
from scheduler_app.domain.change import KEYLESS, What, of_key
from scheduler_app.domain.key import KeySpec, Role
from scheduler_app.errors import Fault, InvalidInput, LastAdminKey, NameTaken, NotFound
from scheduler_app.services.context import Context
from scheduler_app.services.trail import noting
from scheduler_app.signals import KeyRevoked
from scheduler_app.store import keys, sessions
from scheduler_app.store.keys import ApiKey, KeyRow, KeyState, NewKey

USES_APART = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class CreatedKey:
    """A new key, and what is shown this once."""

    key: KeyRow
    secret: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """Keys, the oldest first; `after` continues the list, None when it is complete."""

    keys: list[KeyRow]
    after: int | None
    now: datetime


def new_secret() -> str:
    """Return a new key."""
    return secrets.token_urlsafe(32)


def add_admin_key(tx: sa.Connection, secret: str, now: datetime) -> None:
    """Keep the first key of a store."""
    keys.insert(tx, NewKey(name="admin", role=Role.ADMIN, secret=secret), now)


def authenticate(secret: str, *, ctx: Context) -> ApiKey | None:
    """Return whose key this is, or None."""
    with ctx.database.read() as tx:
        return keys.find(tx, secret, ctx.clock.now())


def note_use(key_id: int, *, ctx: Context) -> None:
    """Remember when a key was used last, to the minute."""
    now = ctx.clock.now()
    ctx.database.write(lambda tx: keys.note_use(tx, key_id, now, after=USES_APART))


def create_key(spec: KeySpec, *, ctx: Context) -> CreatedKey:
    """Make a key. NameTaken when a good one has its name."""
    if spec.name in KEYLESS:
        detail = f"'name' must be another one, got {spec.name!r}, as which the audit knows who has no key"
        raise InvalidInput.of(Fault(pointer="/name", detail=detail))
    now = ctx.clock.now()
    new = NewKey(
        name=spec.name,
        role=spec.role,
        secret=new_secret(),
        created_by=ctx.actor.name,
        expires_at=None if spec.expires_in is None else now + spec.expires_in,
    )

    def work(tx: sa.Connection) -> KeyRow:
        if keys.is_in_use(tx, new.name, now):
            fault = Fault(pointer="/name", detail=f"a key named {new.name!r} is in use; choose another name")
            raise NameTaken(fault.detail, faults=[fault])
        key = _find(tx, keys.insert(tx, new, now))
        noting(tx, ctx, now).change(What.KEY_CREATED, of_key(key.id), after=_facts(key))
        return key

    return CreatedKey(key=ctx.database.write(work), secret=new.secret)


def list_keys(states: tuple[KeyState, ...], *, after: int | None, limit: int, ctx: Context) -> Page:
    """Return up to `limit` keys; without states those that are not revoked."""
    now = ctx.clock.now()
    with ctx.database.read() as tx:
        found = keys.page(tx, states, after=after, limit=limit + 1, now=now)
    return Page(keys=found[:limit], after=found[limit - 1].id if len(found) > limit else None, now=now)


def revoke_key(key_id: int, *, ctx: Context) -> None:
    """Make a key good no more, and who is signed in with it. LastAdminKey when nobody could make another one."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> None:
        key = _find(tx, key_id)
        if key.revoked_at is not None:
            raise NotFound(f"key {key_id} was revoked")
        if key.role == Role.ADMIN and key.expires_at is None and keys.is_last_lasting(tx, key_id, Role.ADMIN):
            detail = f"key {key.name!r} is the last admin key that does not expire; make another one first"
            raise LastAdminKey(detail)
        keys.revoke(tx, key_id, now)
        sessions.end_of_key(tx, key_id)
        noting(tx, ctx, now).change(What.KEY_REVOKED, of_key(key.id), before=_facts(key))

    ctx.database.write(work)
    ctx.bus.publish(KeyRevoked(at=now, key_id=key_id))


def _facts(key: KeyRow) -> dict[str, str | None]:
    ends = None if key.expires_at is None else rfc3339(key.expires_at)
    return {"name": key.name, "role": key.role, "prefix": key.prefix, "expires_at": ends}


def _find(tx: sa.Connection, key_id: int) -> KeyRow:
    key = keys.get(tx, key_id)
    if key is None:
        raise NotFound(f"there is no key {key_id}")
    return key
