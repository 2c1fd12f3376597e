"""Jobs are found by change and trigger, runs by task, origin, time and how they ended, in the order of a list."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

UNWELL = "state IN ('failed', 'timed_out', 'cancelled', 'lost', 'missed', 'skipped')"
HELD = "state IN ('paused', 'broken')"
INDEXES = (
    ("scheduler_jobs_changed", "scheduler_jobs", ["updated_at", "key"], None),
    ("scheduler_jobs_held_changed", "scheduler_jobs", ["state", "updated_at", "key"], HELD),
    (
        "scheduler_jobs_trigger",
        "scheduler_jobs",
        ["trigger_type", "id"],
        "trigger_type IS NOT NULL AND state <> 'finished'",
    ),
    ("scheduler_runs_unwell_by_end", "scheduler_runs", ["state", "finished_at", "id"], UNWELL),
    ("scheduler_runs_task", "scheduler_runs", ["task", "id"], None),
    ("scheduler_runs_origin", "scheduler_runs", ["origin", "id"], "origin <> 'schedule'"),
    ("scheduler_runs_scheduled", "scheduler_runs", ["scheduled_at", "id"], None),
)


def upgrade() -> None:
    """Make the indexes; take two of the audit, which cost each change more than a rare question is worth."""
    for name, table, columns, condition in INDEXES:
        where = None if condition is None else sa.text(condition)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
    for of in ("who", "what"):
        op.drop_index(f"scheduler_audit_{of}", "scheduler_audit")
