"""Answers that are kept for an `Idempotency-Key`."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table of kept answers."""
    op.create_table(
        "scheduler_idempotency",
        sa.Column("api_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", Text, nullable=False),
        sa.Column("fingerprint", Text, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", Text, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("api_key", "key"),
    )
    op.create_index("scheduler_idempotency_age", "scheduler_idempotency", ["created_at"])
