"""A job remembers up to when its firings were pruned."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("scheduler_jobs", sa.Column("pruned_until", sa.BigInteger()))
