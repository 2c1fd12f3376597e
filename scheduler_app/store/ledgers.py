"""What the code of each app declares: one fact for an app, `declared:` and its name."""

import json
from typing import Any

import sqlalchemy as sa

from scheduler_app.store import facts as kept
from scheduler_app.store.tables import facts

PREFIX = "declared:"


def every(tx: sa.Connection) -> dict[str, dict[str, Any]]:
    """Return the ledgers of all apps, by name of the app."""
    rows = tx.execute(sa.select(facts).where(facts.c.name.startswith(PREFIX, autoescape=True)).order_by(facts.c.name))
    return {row.name.removeprefix(PREFIX): json.loads(row.value) for row in rows}


def put(tx: sa.Connection, app: str, ledger: dict[str, Any]) -> None:
    """Keep the ledger of an app."""
    kept.put(tx, PREFIX + app, ledger)
