"""What whoever calls may do, and the keys by which they say who they are."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Role(StrEnum):
    """Who calls; each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


RANKS = tuple(Role)


def allows(role: str, needed: Role) -> bool:
    """Whether a role is at least the one that is needed."""
    return RANKS.index(Role(role)) >= RANKS.index(needed)


@dataclass(frozen=True, kw_only=True)
class KeySpec:
    """A key that is wanted; without `expires_in` it is good until it is revoked."""

    name: str
    role: Role
    expires_in: timedelta | None = None
