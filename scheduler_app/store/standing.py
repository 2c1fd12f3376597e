"""How things stand: what a transaction that writes must know before it fires or ends runs.

It is asked in one statement, since a server's answer takes longer than the question, and stays true until the end of
the transaction, but for what that itself writes.
"""

from datetime import datetime

import sqlalchemy as sa

from scheduler_app.store.facts import PAUSE, pause_of
from scheduler_app.store.statement import Statement
from scheduler_app.store.tables import BLOCKED, facts, jobs, open_runs, runs
from scheduler_app.values import value


def _is_any_run(condition: str) -> sa.Exists:
    return sa.exists().where(sa.text(condition)).select_from(runs)


STANDING = Statement(
    sa.select(
        sa.select(facts.c.value).where(facts.c.name == PAUSE).scalar_subquery().label("pause"),
        _is_any_run(open_runs("scheduler_runs.")).label("open"),
        _is_any_run("scheduler_runs.state = 'queued'").label("queued"),
        _is_any_run(f"scheduler_runs.{BLOCKED}").label("blocked"),
        sa.exists().where(sa.text("after_job IS NOT NULL")).select_from(jobs).label("followed"),
    )
)


@value
class Standing:
    """Since when everything is paused; whether any run is open, queued or blocked; whether any job comes after one."""

    paused_since: datetime | None
    is_any_open: bool
    is_any_queued: bool
    is_any_blocked: bool
    is_any_after: bool


def standing(tx: sa.Connection) -> Standing:
    """Return how things stand."""
    (row,) = STANDING.rows(tx)
    return Standing(
        paused_since=pause_of(row.pause),
        is_any_open=bool(row.open),
        is_any_queued=bool(row.queued),
        is_any_blocked=bool(row.blocked),
        is_any_after=bool(row.followed),
    )
