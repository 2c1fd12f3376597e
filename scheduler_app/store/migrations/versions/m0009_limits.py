"""Starts of tasks with a rate limit are counted; the queue can be read by task."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
QUEUED = sa.text("state = 'queued'")


def upgrade() -> None:
    """Add the table, and the index of the queue."""
    op.create_table(
        "scheduler_starts",
        sa.Column("run_id", Key, primary_key=True),
        sa.Column("token", sa.BigInteger, primary_key=True),
        sa.Column("task", Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("scheduler_starts_task", "scheduler_starts", ["task", "at"])
    columns: list[Any] = ["executor", "task", sa.text("priority DESC"), "ready_at", "id"]
    op.create_index(
        "scheduler_runs_queue_by_task", "scheduler_runs", columns, sqlite_where=QUEUED, postgresql_where=QUEUED
    )
