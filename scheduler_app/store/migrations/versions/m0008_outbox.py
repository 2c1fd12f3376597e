"""A run remembers when it is to be published to a broker."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

OUTBOX = sa.text("state = 'queued' AND executor = 'celery'")


def upgrade() -> None:
    """Add the column and the index of the outbox."""
    op.add_column("scheduler_runs", sa.Column("publish_at", sa.BigInteger()))
    columns: list[Any] = ["publish_at", sa.text("priority DESC"), "ready_at", "id"]
    op.create_index("scheduler_runs_outbox", "scheduler_runs", columns, sqlite_where=OUTBOX, postgresql_where=OUTBOX)
