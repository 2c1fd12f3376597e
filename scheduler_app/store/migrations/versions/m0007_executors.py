"""Engines tell the slots of each executor; the queue is read by executor."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
QUEUE = "scheduler_runs_queue"
QUEUED = sa.text("state = 'queued'")


def upgrade() -> None:
    """Add the column, and put the executor before the order of the queue."""
    op.add_column("scheduler_engines", sa.Column("executors", Text))
    op.drop_index(QUEUE, "scheduler_runs")
    op.create_index(
        QUEUE,
        "scheduler_runs",
        ["executor", sa.literal_column("priority DESC"), "ready_at", "id"],
        sqlite_where=QUEUED,
        postgresql_where=QUEUED,
    )
