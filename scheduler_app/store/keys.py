"""API keys: only their SHA-256 is kept."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import to_micros
from scheduler_app.store.tables import api_keys


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """Who may call: a name and a role."""

    id: int
    name: str
    role: str


def digest_of(secret: str) -> str:
    """Return what is kept of a key: 32 random bytes need no salt and no stretching."""
    return hashlib.sha256(secret.encode()).hexdigest()


def insert(tx: sa.Connection, *, name: str, role: str, secret: str, now: datetime) -> None:
    """Keep a key's digest."""
    tx.execute(api_keys.insert().values(name=name, role=role, digest=digest_of(secret), created_at=to_micros(now)))


def find(tx: sa.Connection, secret: str, now: datetime) -> ApiKey | None:
    """Return whose key this is; None for a wrong or expired one. Digests are compared in constant time."""
    digest = digest_of(secret)
    found: Any = None
    for row in tx.execute(sa.select(api_keys)):
        if hmac.compare_digest(row.digest, digest):
            found = row
    if found is None or (found.expires_at is not None and found.expires_at <= to_micros(now)):
        return None
    return ApiKey(id=found.id, name=found.name, role=found.role)
