"""An engine may be drained, and says how late it fires and how much it claims; a process of Celery's, of which pool."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add what an engine says of itself, and what is asked of it."""
    op.add_column("scheduler_engines", sa.Column("drained_at", sa.BigInteger()))
    op.add_column("scheduler_engines", sa.Column("lag", sa.Float()))
    op.add_column("scheduler_engines", sa.Column("claims", sa.Float()))
    op.add_column("scheduler_engines", sa.Column("celery_pool", Text))
