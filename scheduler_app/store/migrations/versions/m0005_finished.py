"""Runs are found by their end."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
ENDED = sa.text("finished_at IS NOT NULL")


def upgrade() -> None:
    """Make the index; it holds nothing of what has not finished."""
    op.create_index(
        "scheduler_runs_finished",
        "scheduler_runs",
        ["finished_at", "id"],
        sqlite_where=ENDED,
        postgresql_where=ENDED,
    )
