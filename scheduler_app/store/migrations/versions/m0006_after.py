"""A job may come after another one, and a run knows the run that caused it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns, and an index that holds nothing of jobs that fire at times."""
    op.add_column("scheduler_jobs", sa.Column("after_job", Text))
    op.add_column("scheduler_runs", sa.Column("parent_run", Key))
    condition = sa.text("after_job IS NOT NULL")
    op.create_index(
        "scheduler_jobs_after",
        "scheduler_jobs",
        ["after_job"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
