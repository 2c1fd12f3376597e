"""A job remembers up to when its firings were pruned."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("scheduler_jobs", sa.Column("pruned_until", sa.BigInteger()))
