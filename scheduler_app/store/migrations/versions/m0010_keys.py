"""Keys that are made and revoked, sessions of people, and the audit of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns of a key, and the three tables."""
    for name, kind in (
        ("prefix", Text),
        ("created_by", Text),
        ("last_used_at", sa.BigInteger()),
        ("revoked_at", sa.BigInteger()),
    ):
        op.add_column("scheduler_api_keys", sa.Column(name, kind))
    op.create_table(
        "scheduler_sessions",
        sa.Column("digest", Text, primary_key=True),
        sa.Column("api_key", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "scheduler_sign_in_codes",
        sa.Column("digest", Text, primary_key=True),
        sa.Column("api_key", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "scheduler_audit",
        sa.Column("id", Key, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", Text, nullable=False),
        sa.Column("api_key", sa.Integer),
        sa.Column("what", Text, nullable=False),
        sa.Column("subject", Text),
        sa.Column("before", Text),
        sa.Column("after", Text),
        sa.Column("request_id", Text),
        sqlite_autoincrement=True,
    )
    op.create_index("scheduler_audit_subject", "scheduler_audit", ["subject", "id"])
    op.create_index("scheduler_audit_who", "scheduler_audit", ["who", "id"])
    op.create_index("scheduler_audit_what", "scheduler_audit", ["what", "id"])
    op.create_index("scheduler_audit_age", "scheduler_audit", ["at", "id"])
