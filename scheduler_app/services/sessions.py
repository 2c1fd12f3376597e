"""Sign in with a key or a one-time code, and out again.

Invariants kept here:
- What a browser is given is always new and random, so that nobody can make another one use a session of theirs.
- A session is bound to its key: it can do what the key can, and ends with it, after some idle time, and after a week.
- A code signs in once: who takes its row has it.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduler_app.domain.change import What, of_key
from scheduler_app.domain.key import Role
from scheduler_app.errors import NotFound
from scheduler_app.services.context import Context
from scheduler_app.services.keys import USES_APART
from scheduler_app.services.trail import noting
from scheduler_app.store import keys, sessions
from scheduler_app.store.keys import ApiKey
from scheduler_app.store.sessions import Session

CODE_LASTS = timedelta(minutes=5)
LONGEST_SECRET = 256


def new_token() -> str:
    """Return what a browser keeps and nobody else knows: 43 characters of the URL-safe alphabet."""
    return secrets.token_urlsafe(32)


def csrf_token(token: str) -> str:
    """Return what proves that a form or a script was served to the browser that has this token."""
    mac = hmac.digest(token.encode(), b"csrf", hashlib.sha256)
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def proves(given: str, token: str) -> bool:
    """Whether this is the CSRF token of a browser's token; compared in constant time."""
    return hmac.compare_digest(given.encode(), csrf_token(token).encode())


def sign_in(secret: str, *, address: str, former: str | None = None, ctx: Context) -> str:
    """Begin a session with a key, in place of a former one, and return what the browser is to keep.

    Unauthorized when the key is wrong, TooManyFailures when this address has tried too many.
    """
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> str | None:
        return _begin(tx, keys.find(tx, secret, now), former=former, now=now, ctx=ctx)

    with ctx.database.read() as tx:
        is_good = len(secret) <= LONGEST_SECRET and keys.find(tx, secret, now) is not None
    token = ctx.database.write(work) if is_good else None
    if token is None:
        raise ctx.attempts.failed(address, secret, ctx.clock.monotonic())
    return token


def sign_in_by_code(code: str, *, address: str, former: str | None = None, ctx: Context) -> str:
    """Begin a session with a one-time code. Unauthorized when it was used, is too old, or never was."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> str | None:
        key_id = sessions.take_code(tx, code, now)
        key = None if key_id is None else keys.good(tx, key_id, now)
        return _begin(tx, key, former=former, now=now, ctx=ctx)

    with ctx.database.read() as tx:
        is_good = len(code) <= LONGEST_SECRET and sessions.has_code(tx, code, now)
    token = ctx.database.write(work) if is_good else None
    if token is None:
        raise ctx.attempts.failed(address, code, ctx.clock.monotonic())
    return token


def _begin(tx: sa.Connection, key: ApiKey | None, *, former: str | None, now: datetime, ctx: Context) -> str | None:
    if key is None:
        return None
    token = new_token()
    sessions.prune(tx, now, idle=ctx.session_idle)
    if former is not None:
        sessions.end(tx, keys.digest_of(former))
    sessions.insert(tx, token, key.id, now)
    by = replace(ctx.actor, name=key.name, api_key=key.id)
    noting(tx, ctx.by(by), now).change(What.SESSION_BEGUN, of_key(key.id))
    return token


def caller_of(token: str, *, ctx: Context) -> Session | None:
    """Return who is signed in, None when nobody is any more."""
    with ctx.database.read() as tx:
        return sessions.find(tx, token, ctx.clock.now(), idle=ctx.session_idle)


def note_seen(session: Session, *, ctx: Context) -> None:
    """Remember that somebody was there, and used the key."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> None:
        sessions.note_seen(tx, session.digest, now)
        keys.note_use(tx, session.key.id, now, after=USES_APART)

    ctx.database.write(work)


def sign_out(session: Session, *, ctx: Context) -> None:
    """End a session."""
    now = ctx.clock.now()

    def work(tx: sa.Connection) -> None:
        if sessions.end(tx, session.digest):
            noting(tx, ctx, now).change(What.SESSION_ENDED, of_key(session.key.id))

    ctx.database.write(work)


def new_code(*, ctx: Context) -> str:
    """Return a code that signs in once within five minutes, with the oldest admin key that is good."""
    now, code = ctx.clock.now(), new_token()

    def work(tx: sa.Connection) -> None:
        key = keys.oldest_good(tx, Role.ADMIN, now)
        if key is None:
            raise NotFound("the store has no admin key that is good")
        sessions.prune(tx, now, idle=ctx.session_idle)
        sessions.insert_code(tx, code, key.id, now + CODE_LASTS)
        noting(tx, ctx, now).change(What.LINK_MADE, of_key(key.id))

    ctx.database.write(work)
    return code
