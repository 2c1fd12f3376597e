"""Who may call: keys of 32 random bytes, of which only the digest is kept."""

import secrets
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.services.context import Context
from scheduler_app.store import keys
from scheduler_app.store.keys import ApiKey

ADMIN = "admin"


def new_secret() -> str:
    """Return a new key."""
    return secrets.token_urlsafe(32)


def add_admin_key(tx: sa.Connection, secret: str, now: datetime) -> None:
    """Keep the first key of a store."""
    keys.insert(tx, name="admin", role=ADMIN, secret=secret, now=now)


def authenticate(secret: str, *, ctx: Context) -> ApiKey | None:
    """Return whose key this is, or None."""
    with ctx.database.read() as tx:
        return keys.find(tx, secret, ctx.clock.now())
