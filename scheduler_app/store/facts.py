"""Facts about the whole store, such as whether firing is paused."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from scheduler_app.domain.compact import parse, text_of
from scheduler_app.store.lanes import wake_others
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import facts

PAUSE = "pause"
GET = Statement(sa.select(facts.c.value).where(facts.c.name == sa.bindparam("name_")))
_insert = postgresql.insert(facts)
PUT = Statement(
    _insert.on_conflict_do_update(index_elements=["name"], set_={"value": _insert.excluded.value}),
    columns=("name", "value"),
)


def get(tx: sa.Connection, name: str) -> dict[str, Any] | None:
    """Return a fact, or None."""
    value = GET.scalar(tx, name_=name)
    return None if value is None else parse(value)


def put(tx: sa.Connection, name: str, value: dict[str, Any]) -> None:
    """Set a fact."""
    PUT.run(tx, name=name, value=text_of(value))


def drop(tx: sa.Connection, name: str) -> None:
    """Remove a fact; whoever waited for its end may go on."""
    wake_others(tx)
    tx.execute(facts.delete().where(facts.c.name == name))


def paused_since(tx: sa.Connection) -> datetime | None:
    """Return since when firing is paused for all processes; None when it is not."""
    return pause_of(GET.scalar(tx, name_=PAUSE))


def pause_of(value: str | None) -> datetime | None:
    """Return since when everything is paused, by what the fact says."""
    return None if value is None else datetime.fromisoformat(parse(value)["since"])
