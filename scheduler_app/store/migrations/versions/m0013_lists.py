"""Earlier attempts of a run, searches that somebody keeps, and jobs by the beginning of their name."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAMED = sa.text("name <> task")


def upgrade() -> None:
    """Add the two tables, and the index of the names that somebody gave."""
    op.create_table(
        "scheduler_attempts",
        sa.Column("run_id", Key, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger, nullable=False),
        sa.Column("error", Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "scheduler_searches",
        sa.Column("owner", Text, primary_key=True),
        sa.Column("page", Text, primary_key=True),
        sa.Column("name", Text, primary_key=True),
        sa.Column("query", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("scheduler_jobs_name", "scheduler_jobs", ["name", "id"], sqlite_where=NAMED, postgresql_where=NAMED)
