"""Indexes of some states compare them, which costs each write of a run half of what finding them in a list did."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

OPEN = "NOT (state < 'queued' OR state > 'scheduled')"
UNWELL = "(state < 'queued' OR state > 'scheduled') AND state <> 'succeeded'"
INDEXES = (
    ("scheduler_runs_open", ["job_key", "state"], OPEN),
    ("scheduler_runs_unwell", ["state", "id"], UNWELL),
    ("scheduler_runs_unwell_by_end", ["state", "finished_at", "id"], UNWELL),
)


def upgrade() -> None:
    """Make the indexes anew."""
    for name, columns, condition in INDEXES:
        op.drop_index(name, "scheduler_runs")
        where = sa.text(condition)
        op.create_index(name, "scheduler_runs", columns, sqlite_where=where, postgresql_where=where)
