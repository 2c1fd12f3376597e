"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

API_KEYS: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("role", Text, nullable=False),
    sa.Column("digest", Text, nullable=False),
    sa.Column("created_at", sa.BigInteger(), nullable=False),
    sa.Column("expires_at", sa.BigInteger()),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("digest"),
)
ENGINES: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("node", Text, nullable=False),
    sa.Column("host", Text, nullable=False),
    sa.Column("pid", sa.Integer(), nullable=False),
    sa.Column("process_start", Text, nullable=False),
    sa.Column("parent_pid", sa.Integer(), nullable=False),
    sa.Column("parent_start", Text, nullable=False),
    sa.Column("version", Text, nullable=False),
    sa.Column("slots", sa.Integer(), nullable=False),
    sa.Column("tasks", Text, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("beat", sa.Integer(), nullable=False),
    sa.Column("started_at", sa.BigInteger(), nullable=False),
    sa.Column("beat_at", sa.BigInteger(), nullable=False),
    sa.Column("last_pass_at", sa.BigInteger()),
    sa.PrimaryKeyConstraint("id"),
)
FACTS: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("name", Text, nullable=False),
    sa.Column("value", Text, nullable=False),
    sa.PrimaryKeyConstraint("name"),
)
JOB_TAGS: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("tag", Text, nullable=False),
    sa.Column("job_key", Key, nullable=False),
    sa.PrimaryKeyConstraint("tag", "job_key"),
)
JOBS: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("key", Key, nullable=False),
    sa.Column("id", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("task", Text, nullable=False),
    sa.Column("args", Text, nullable=False),
    sa.Column("kwargs", Text, nullable=False),
    sa.Column("trigger", Text),
    sa.Column("trigger_type", Text),
    sa.Column("overrides", Text, nullable=False),
    sa.Column("misfire_grace_time", sa.Float()),
    sa.Column("coalesce", sa.Boolean(), nullable=False),
    sa.Column("max_instances", sa.Integer(), nullable=False),
    sa.Column("overlap", Text, nullable=False),
    sa.Column("max_retries", sa.Integer(), nullable=False),
    sa.Column("retry_delay", sa.Float(), nullable=False),
    sa.Column("retry_backoff", sa.Float(), nullable=False),
    sa.Column("retry_max_delay", sa.Float(), nullable=False),
    sa.Column("retry_jitter", sa.Float(), nullable=False),
    sa.Column("timeout", sa.Float()),
    sa.Column("delivery", Text, nullable=False),
    sa.Column("priority", sa.Integer(), nullable=False),
    sa.Column("concurrency_key", Text),
    sa.Column("tags", Text, nullable=False),
    sa.Column("executor", Text, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("reason", Text),
    sa.Column("next_run_time", sa.BigInteger()),
    sa.Column("paused_until", sa.BigInteger()),
    sa.Column("skip_count", sa.Integer(), server_default="0", nullable=False),
    sa.Column("version", sa.Integer(), nullable=False),
    sa.Column("created_at", sa.BigInteger(), nullable=False),
    sa.Column("updated_at", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("key"),
    sa.UniqueConstraint("id"),
)
LOGS: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("run_id", Key, nullable=False),
    sa.Column("start", Key, nullable=False),
    sa.Column("size", sa.Integer(), nullable=False),
    sa.Column("attempt", sa.Integer(), nullable=False),
    sa.Column("text", sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint("run_id", "start"),
)
RUNS: tuple[sa.schema.SchemaItem, ...] = (
    sa.Column("id", Key, nullable=False),
    sa.Column("job_key", Key, nullable=False),
    sa.Column("job_id", Text, nullable=False),
    sa.Column("task", Text, nullable=False),
    sa.Column("args", Text, nullable=False),
    sa.Column("kwargs", Text, nullable=False),
    sa.Column("origin", Text, nullable=False),
    sa.Column("retry_of", Key),
    sa.Column("first_run", Key),
    sa.Column("scheduled_at", sa.BigInteger(), nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("reason", Text),
    sa.Column("ready_at", sa.BigInteger(), nullable=False),
    sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
    sa.Column("max_attempts", sa.Integer(), nullable=False),
    sa.Column("crashes", sa.Integer(), server_default="0", nullable=False),
    sa.Column("suspicions", sa.Integer(), server_default="0", nullable=False),
    sa.Column("crashes_alone", sa.Integer(), server_default="0", nullable=False),
    sa.Column("alone", sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column("priority", sa.Integer(), nullable=False),
    sa.Column("concurrency_key", Text),
    sa.Column("timeout", sa.Float()),
    sa.Column("delivery", Text, nullable=False),
    sa.Column("retry", Text),
    sa.Column("executor", Text, nullable=False),
    sa.Column("engine", sa.Integer()),
    sa.Column("token", sa.BigInteger()),
    sa.Column("cancel_requested", sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column("queued_at", sa.BigInteger()),
    sa.Column("started_at", sa.BigInteger()),
    sa.Column("finished_at", sa.BigInteger()),
    sa.Column("progress_current", sa.Float()),
    sa.Column("progress_total", sa.Float()),
    sa.Column("progress_message", Text),
    sa.Column("result", Text),
    sa.Column("error_type", Text),
    sa.Column("error_message", Text),
    sa.Column("error_traceback", Text),
    sa.Column("missed_since", sa.BigInteger()),
    sa.Column("missed_until", sa.BigInteger()),
    sa.Column("missed_count", sa.Integer()),
    sa.Column("late_results", sa.Integer(), server_default="0", nullable=False),
    sa.PrimaryKeyConstraint("id"),
)


def upgrade() -> None:
    """Make every table and index."""
    op.create_table("scheduler_api_keys", *API_KEYS, sqlite_autoincrement=True)
    op.create_table("scheduler_engines", *ENGINES, sqlite_autoincrement=True)
    op.create_table("scheduler_facts", *FACTS)
    op.create_table("scheduler_job_tags", *JOB_TAGS, sqlite_with_rowid=False)
    op.create_table("scheduler_jobs", *JOBS, sqlite_autoincrement=True)
    op.create_table("scheduler_logs", *LOGS)
    op.create_table("scheduler_runs", *RUNS, sqlite_autoincrement=True)
    _make_indexes()


def _make_indexes() -> None:
    _index("scheduler_job_tags_job", "scheduler_job_tags", ["job_key"])
    _index(
        "scheduler_jobs_due",
        "scheduler_jobs",
        ["next_run_time"],
        where="state = 'active' AND next_run_time IS NOT NULL",
    )
    _index("scheduler_jobs_finished", "scheduler_jobs", ["id"], where="state = 'finished'")
    _index("scheduler_jobs_held", "scheduler_jobs", ["state", "id"], where="state IN ('paused', 'broken')")
    _index("scheduler_jobs_open", "scheduler_jobs", ["id"], where="state <> 'finished'")
    _index("scheduler_jobs_task", "scheduler_jobs", ["task", "id"])
    _index(
        "scheduler_runs_firing", "scheduler_runs", ["job_key", "scheduled_at"], where="origin = 'schedule'", unique=True
    )
    _index("scheduler_runs_job", "scheduler_runs", ["job_id", "id"])
    _index(
        "scheduler_runs_open",
        "scheduler_runs",
        ["job_key", "state"],
        where="state IN ('scheduled', 'queued', 'running')",
    )
    _index(
        "scheduler_runs_queue",
        "scheduler_runs",
        [sa.literal_column("priority DESC"), "ready_at", "id"],
        where="state = 'queued'",
    )
    _index("scheduler_runs_running", "scheduler_runs", ["engine"], where="state = 'running'")
    _index(
        "scheduler_runs_unwell",
        "scheduler_runs",
        ["state", "id"],
        where="state IN ('failed', 'timed_out', 'cancelled', 'lost', 'missed', 'skipped')",
    )
    _index(
        "scheduler_runs_waiting", "scheduler_runs", ["ready_at"], where="state = 'scheduled' AND reason <> 'blocked'"
    )


def _index(name: str, table: str, columns: list[object], *, where: str | None = None, unique: bool = False) -> None:
    condition = {} if where is None else {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.create_index(name, table, columns, unique=unique, **condition)  # type: ignore[arg-type]
