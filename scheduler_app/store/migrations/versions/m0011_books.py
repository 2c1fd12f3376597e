"""What ended how is added up by minute and hour, and kept for each job; what is planned is kept by the hour.

Nothing is counted here, so that a store of a million runs starts at once: an engine does that afterwards, slice by
slice. Only of a store without runs it is noted that there is nothing to count.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables, and what an engine says of itself."""
    _create_rollups()
    _create_job_stats()
    op.create_table(
        "scheduler_lags",
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("grade", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("most", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "scheduler_samples",
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("backlog", sa.Integer, nullable=False),
        sa.Column("overdue", sa.Integer, nullable=False),
    )
    op.create_table(
        "scheduler_forecast",
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("firings", sa.BigInteger, nullable=False),
        sa.Column("busy", sa.Float, nullable=False),
    )
    op.add_column("scheduler_engines", sa.Column("books", sa.Integer()))
    op.add_column("scheduler_engines", sa.Column("commit_seconds", sa.Float()))
    _note_if_empty()


def _create_rollups() -> None:
    op.create_table(
        "scheduler_rollups",
        sa.Column("step", Text, primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True),
        sa.Column("state", Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("firings", sa.BigInteger, nullable=False),
        sa.Column("pruned", sa.BigInteger, nullable=False, server_default="0"),
        sqlite_with_rowid=False,
    )


def _create_job_stats() -> None:
    op.create_table(
        "scheduler_job_stats",
        sa.Column("job_key", Key, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("last_run", sa.BigInteger, nullable=False),
        sa.Column("unwell", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("last_success", sa.BigInteger),
        sa.Column("last_failure", sa.BigInteger),
        sa.Column("usual", sa.BigInteger),
        sa.Column("marks", sa.LargeBinary, nullable=False),
        sa.Column("older", sa.LargeBinary, nullable=False),
    )
    for name, column in (("usual", "usual"), ("failed", "last_failure")):
        where = sa.text(f"{column} IS NOT NULL")
        index = f"scheduler_job_stats_{name}"
        columns = [column, "job_key"]
        op.create_index(index, "scheduler_job_stats", columns, sqlite_where=where, postgresql_where=where)
    if op.get_bind().dialect.name == "postgresql":  # leave room on the page for the next version of a row
        op.execute("ALTER TABLE scheduler_job_stats SET (fillfactor = 60)")


def _note_if_empty() -> None:
    tx = op.get_bind()
    if tx.execute(sa.text("SELECT id FROM scheduler_runs LIMIT 1")).first() is None:
        facts = sa.table("scheduler_facts", sa.column("name"), sa.column("value"))
        tx.execute(facts.insert().values(name="books", value=json.dumps({"filled_at": 0})))
