"""Empty a store that tests share, so that each begins with nothing."""

import sqlalchemy as sa

from scheduler_app.store import facts
from scheduler_app.store.apscheduler import MOVED
from scheduler_app.store.callers import api_keys
from scheduler_app.store.tables import facts as facts_table
from scheduler_app.store.tables import metadata, runs

KEPT = (api_keys, facts_table)


def is_there(tx: sa.Connection) -> bool:
    """Whether the database holds a store."""
    return sa.inspect(tx).has_table(runs.name)


def empty(tx: sa.Connection) -> None:
    """Delete every job, run, log and engine, and end a pause of everything; keys and the schema stay."""
    for table in metadata.sorted_tables:
        if table not in KEPT:
            tx.execute(table.delete())
    for name in (facts.PAUSE, MOVED):
        facts.drop(tx, name)
