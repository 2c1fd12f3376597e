"""API keys on the wire."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from scheduler_app.domain.key import KeySpec, Role
from scheduler_app.schemas.fields import AtMostWords, Commas, Cursor, Digits, Limit, Name, WireIn, WireOut, words
from scheduler_app.store.keys import KeyRow, KeyState

LARGEST_KEY_ID = 2**31 - 1
TEN_YEARS = 3650 * 86_400


class KeyPath(WireIn):
    """The key that a path names."""

    key_id: Annotated[int, Field(ge=1, le=LARGEST_KEY_ID), Digits] = Field(description="The id of the key.")


class KeyIn(WireIn):
    """A key that is wanted."""

    name: Name = Field(description="Who or what uses it; no other good key has this name.")
    role: Role = Field(
        description="`viewer` reads; `operator` also runs, cancels, pauses and resumes; `admin` does all."
    )
    expires_in: Annotated[float, Field(gt=0, le=TEN_YEARS, strict=True, allow_inf_nan=False)] | None = Field(
        None, description="Seconds for which it is good; without it, until it is revoked."
    )

    def to_spec(self) -> KeySpec:
        """Return what is wanted."""
        lasts = None if self.expires_in is None else timedelta(seconds=self.expires_in)
        return KeySpec(name=self.name, role=self.role, expires_in=lasts)


class KeyQuery(WireIn):
    """Which keys a list shows."""

    state: Annotated[tuple[KeyState, ...], Commas, AtMostWords, words("|".join(KeyState))] = Field(
        default_factory=tuple, description="States, separated by commas; without any, all but `revoked`."
    )
    cursor: Cursor = Field(None, description="`next_cursor` of the page before; it belongs to its filter.")
    limit: Limit = Field(50, description="Most items on a page.")


class KeyOut(WireOut):
    """A key, without the key itself."""

    id: int
    name: str
    role: Role
    prefix: str | None = Field(description="Its first characters; null of a key that an older version made.")
    state: KeyState
    created_at: datetime
    created_by: str | None = Field(description="Who made it; null of the first one.")
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class CreatedKeyOut(KeyOut):
    """A new key."""

    key: str = Field(description="The key itself, told this once.")


class KeyList(WireOut):
    """A page of keys, the oldest first."""

    items: list[KeyOut]
    next_cursor: str | None


def render_key(key: KeyRow, now: datetime) -> dict[str, Any]:
    """Return a key as `KeyOut` says."""
    return {name: getattr(key, name) for name in KeyOut.model_fields if name != "state"} | {"state": key.state(now)}


def render_created(key: KeyRow, secret: str) -> dict[str, Any]:
    """Return a new key as `CreatedKeyOut` says."""
    return render_key(key, key.created_at) | {"key": secret}
