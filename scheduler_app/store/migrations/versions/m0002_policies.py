"""Indexes for what waits for a place or a concurrency key, and for pauses that end by themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BLOCKED = "state = 'scheduled' AND reason = 'blocked'"
START_ORDER: tuple[object, ...] = (sa.literal_column("priority DESC"), "ready_at", "id")


def upgrade() -> None:
    """Make the indexes; all are partial, and hold nothing of runs and jobs that use none of this."""
    _index("scheduler_runs_blocked", "scheduler_runs", ["job_key", *START_ORDER], where=BLOCKED)
    _index(
        "scheduler_runs_blocked_key",
        "scheduler_runs",
        ["concurrency_key", *START_ORDER],
        where=f"{BLOCKED} AND concurrency_key IS NOT NULL",
    )
    _index(
        "scheduler_runs_locks",
        "scheduler_runs",
        ["concurrency_key"],
        where="state IN ('queued', 'running') AND concurrency_key IS NOT NULL",
    )
    _index(
        "scheduler_jobs_lapsing",
        "scheduler_jobs",
        ["paused_until"],
        where="state = 'paused' AND paused_until IS NOT NULL",
    )


def _index(name: str, table: str, columns: list[object], *, where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))  # type: ignore[arg-type]
