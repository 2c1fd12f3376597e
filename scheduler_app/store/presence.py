"""Whether engines work on a store, seen from a process that runs none.

A look is all that such a process takes, so it compares dates where a rescuer, which looks again and again, does not.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa

from scheduler_app.store import engines
from scheduler_app.store.engines import EngineRow
from scheduler_app.store.identity import host, is_gone

SILENT = timedelta(seconds=60)


def present(tx: sa.Connection, now: datetime) -> list[EngineRow]:
    """Return the engines that live: on this host their process is there, elsewhere they beat within the last minute."""
    return [row for row in engines.live(tx) if _lives(row, now)]


def _lives(row: EngineRow, now: datetime) -> bool:
    return not is_gone(row.pid, row.process_start) if row.host == host() else now - row.beat_at < SILENT
