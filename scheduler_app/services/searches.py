"""Searches that somebody keeps under a name: each key its own, and each person who is signed in to an app of theirs."""

import sqlalchemy as sa

from scheduler_app.errors import Fault, InvalidInput
from scheduler_app.services.context import Context
from scheduler_app.store import searches

MOST = 50


def list_searches(page: str, *, ctx: Context) -> dict[str, str]:
    """Return the searches of a page that who asks keeps: what its address says, by name."""
    with ctx.database.read() as tx:
        return searches.of(tx, _owner(ctx), page)


def keep_search(page: str, name: str, query: str, *, ctx: Context) -> None:
    """Keep a search under a name, in place of one of that name; InvalidInput when there are too many."""
    owner = _owner(ctx)

    def write(tx: sa.Connection) -> None:
        kept = searches.of(tx, owner, page)
        if name not in kept and len(kept) >= MOST:
            raise InvalidInput.of(Fault(pointer="/name", detail=f"you keep {MOST} searches of this page; forget one"))
        searches.keep(tx, owner, page, name, query)

    ctx.database.write(write)


def forget_search(page: str, name: str, *, ctx: Context) -> None:
    """Keep a search no more; one that is not kept changes nothing."""
    ctx.database.write(lambda tx: searches.forget(tx, _owner(ctx), page, name))


def _owner(ctx: Context) -> str:
    actor = ctx.actor
    return f"key {actor.api_key}" if actor.api_key else f"login {actor.name}"
