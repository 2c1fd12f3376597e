"""What the code of each app declares: one fact for an app, `declared:` and its name."""

import json
from typing import Any

import sqlalchemy as sa

from scheduler_app.store import facts as kept
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import facts

PREFIX = "declared:"
BEHIND = "declared;"
EVERY = Statement(
    sa.select(facts.c.name, facts.c.value).where(facts.c.name >= PREFIX, facts.c.name < BEHIND).order_by(facts.c.name)
)


def every(tx: sa.Connection) -> dict[str, dict[str, Any]]:
    """Return the ledgers of all apps, by name of the app."""
    return {row.name.removeprefix(PREFIX): json.loads(row.value) for row in EVERY.rows(tx)}


def put(tx: sa.Connection, app: str, ledger: dict[str, Any]) -> None:
    """Keep the ledger of an app."""
    kept.put(tx, PREFIX + app, ledger)
