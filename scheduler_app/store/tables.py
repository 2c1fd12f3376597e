"""The tables, all prefixed `scheduler_` because they may live in a user's own database.

Times are integers of microseconds since 1970, JSON is text that is encoded once. Each index names the one query that
needs it; the partial ones hold only open work, so that history never slows firing down.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

# ordered by code point on every database, whatever the language of the server is
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

jobs = sa.Table(
    "scheduler_jobs",
    metadata,
    sa.Column("key", Key, primary_key=True),
    sa.Column("id", Text, nullable=False, unique=True),
    sa.Column("name", Text, nullable=False),
    sa.Column("task", Text, nullable=False),
    sa.Column("args", Text, nullable=False),
    sa.Column("kwargs", Text, nullable=False),
    sa.Column("trigger", Text),
    sa.Column("trigger_type", Text),
    sa.Column("overrides", Text, nullable=False),
    sa.Column("misfire_grace_time", sa.Float),
    sa.Column("coalesce", sa.Boolean, nullable=False),
    sa.Column("max_instances", sa.Integer, nullable=False),
    sa.Column("overlap", Text, nullable=False),
    sa.Column("max_retries", sa.Integer, nullable=False),
    sa.Column("retry_delay", sa.Float, nullable=False),
    sa.Column("retry_backoff", sa.Float, nullable=False),
    sa.Column("retry_max_delay", sa.Float, nullable=False),
    sa.Column("retry_jitter", sa.Float, nullable=False),
    sa.Column("timeout", sa.Float),
    sa.Column("delivery", Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("concurrency_key", Text),
    sa.Column("tags", Text, nullable=False),
    sa.Column("executor", Text, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("reason", Text),
    sa.Column("next_run_time", sa.BigInteger),
    sa.Column("paused_until", sa.BigInteger),
    sa.Column("skip_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("pruned_until", sa.BigInteger),
    sa.Column("after_job", Text),
    sqlite_autoincrement=True,
)
job_tags = sa.Table(
    "scheduler_job_tags",
    metadata,
    sa.Column("tag", Text, primary_key=True),
    sa.Column("job_key", Key, primary_key=True),
    sqlite_with_rowid=False,
)
# store.jobs.replace_tags
sa.Index("scheduler_job_tags_job", job_tags.c.job_key)

runs = sa.Table(
    "scheduler_runs",
    metadata,
    sa.Column("id", Key, primary_key=True),
    sa.Column("job_key", Key, nullable=False),
    sa.Column("job_id", Text, nullable=False),
    sa.Column("task", Text, nullable=False),
    sa.Column("args", Text, nullable=False),
    sa.Column("kwargs", Text, nullable=False),
    sa.Column("origin", Text, nullable=False),
    sa.Column("retry_of", Key),
    sa.Column("first_run", Key),
    sa.Column("scheduled_at", sa.BigInteger, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("reason", Text),
    sa.Column("ready_at", sa.BigInteger, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("crashes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("suspicions", sa.Integer, nullable=False, server_default="0"),
    sa.Column("crashes_alone", sa.Integer, nullable=False, server_default="0"),
    sa.Column("alone", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("concurrency_key", Text),
    sa.Column("timeout", sa.Float),
    sa.Column("delivery", Text, nullable=False),
    sa.Column("retry", Text),
    sa.Column("executor", Text, nullable=False),
    sa.Column("engine", sa.Integer),
    sa.Column("token", sa.BigInteger),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("queued_at", sa.BigInteger),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("progress_current", sa.Float),
    sa.Column("progress_total", sa.Float),
    sa.Column("progress_message", Text),
    sa.Column("result", Text),
    sa.Column("error_type", Text),
    sa.Column("error_message", Text),
    sa.Column("error_traceback", Text),
    sa.Column("missed_since", sa.BigInteger),
    sa.Column("missed_until", sa.BigInteger),
    sa.Column("missed_count", sa.Integer),
    sa.Column("late_results", sa.Integer, nullable=False, server_default="0"),
    sa.Column("parent_run", Key),
    sa.Column("publish_at", sa.BigInteger),
    sqlite_autoincrement=True,
)


def _partial(name: str, *columns: object, where: str, unique: bool = False) -> sa.Index:
    condition = sa.text(where)
    return sa.Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)  # type: ignore[arg-type]


def open_runs(of: str = "") -> str:
    """Return that a run is open: scheduled, queued or running, which stand together in the alphabet.

    In these words its index is found; `of` is the table's name and a dot. SQLite would make a table of three values
    after `IN` whenever it writes a run, and take a range without NOT for better than one state.
    """
    return f"NOT ({of}state < 'queued' OR {of}state > 'scheduled')"


# guarantee 2: a firing is recorded once
_partial("scheduler_runs_firing", runs.c.job_key, runs.c.scheduled_at, where="origin = 'schedule'", unique=True)
# store.claims.candidates
_partial(
    "scheduler_runs_queue",
    runs.c.executor,
    runs.c.priority.desc(),
    runs.c.ready_at,
    runs.c.id,
    where="state = 'queued'",
)
# store.queues: past the runs of a task that is held back, or that crowds the others out
_partial(
    "scheduler_runs_queue_by_task",
    runs.c.executor,
    runs.c.task,
    runs.c.priority.desc(),
    runs.c.ready_at,
    runs.c.id,
    where="state = 'queued'",
)
# store.outbox; what threads execute has no entry in it
OUTBOX = "state = 'queued' AND executor = 'celery'"
_partial(
    "scheduler_runs_outbox",
    # one value, without which SQLite takes the queue's index, and reads all that is queued
    runs.c.executor,
    runs.c.publish_at,
    runs.c.priority.desc(),
    runs.c.ready_at,
    runs.c.id,
    where=OUTBOX,
)
# store.claims.promote
_partial("scheduler_runs_waiting", runs.c.ready_at, where="state = 'scheduled' AND reason <> 'blocked'")
# store.places, store.settling.unblock
OPEN_RUNS = open_runs()
_partial("scheduler_runs_open", runs.c.job_key, runs.c.state, where=OPEN_RUNS)
# store.places.unblock: what waits for a place of a job, or for a concurrency key, in the order in which it may start
BLOCKED = "state = 'scheduled' AND reason = 'blocked'"
_partial("scheduler_runs_blocked", runs.c.job_key, runs.c.priority.desc(), runs.c.ready_at, runs.c.id, where=BLOCKED)
KEYED = "concurrency_key IS NOT NULL"
_partial(
    "scheduler_runs_blocked_key",
    runs.c.concurrency_key,
    runs.c.priority.desc(),
    runs.c.ready_at,
    runs.c.id,
    where=f"{BLOCKED} AND {KEYED}",
)
# store.places.locked
_partial("scheduler_runs_locks", runs.c.concurrency_key, where=f"state IN ('queued', 'running') AND {KEYED}")
# store.rescues, store.claims.cancelled
_partial("scheduler_runs_running", runs.c.engine, where="state = 'running'")
# store.runs.page of one job, and the last run of a job
sa.Index("scheduler_runs_job", runs.c.job_id, runs.c.id)
# store.runs.page by state; what went well is found by id, and costs no index entry
UNWELL = "(state < 'queued' OR state > 'scheduled') AND state <> 'succeeded'"
_partial("scheduler_runs_unwell", runs.c.state, runs.c.id, where=UNWELL)
_partial("scheduler_runs_unwell_by_end", runs.c.state, runs.c.finished_at, runs.c.id, where=UNWELL)
ENDED = "finished_at IS NOT NULL"
_partial("scheduler_runs_finished", runs.c.finished_at, runs.c.id, where=ENDED)
# store.runs.page by task, by origin and by time; what a trigger fired is most, and costs no entry among the origins
sa.Index("scheduler_runs_task", runs.c.task, runs.c.id)
BY_HAND = "origin <> 'schedule'"
_partial("scheduler_runs_origin", runs.c.origin, runs.c.id, where=BY_HAND)
sa.Index("scheduler_runs_scheduled", runs.c.scheduled_at, runs.c.id)
# store.dues.due
TIMED = "state = 'active' AND next_run_time IS NOT NULL"
_partial("scheduler_jobs_due", jobs.c.next_run_time, where=TIMED)
# store.pauses
LAPSING = "state = 'paused' AND paused_until IS NOT NULL"
_partial("scheduler_jobs_lapsing", jobs.c.paused_until, where=LAPSING)
# store.orders; no index begins with `state` for all rows, or the planner would take it in place of the partial ones
OPEN = "state <> 'finished'"
FINISHED = "state = 'finished'"
HELD = "state IN ('paused', 'broken')"
_partial("scheduler_jobs_open", jobs.c.id, where=OPEN)
_partial("scheduler_jobs_finished", jobs.c.id, where=FINISHED)
_partial("scheduler_jobs_held", jobs.c.state, jobs.c.id, where=HELD)
sa.Index("scheduler_jobs_task", jobs.c.task, jobs.c.id)
# store.searching: what nobody named is called like its task
NAMED = "name <> task"
_partial("scheduler_jobs_name", jobs.c.name, jobs.c.id, where=NAMED)
sa.Index("scheduler_jobs_changed", jobs.c.updated_at, jobs.c.key)
_partial("scheduler_jobs_held_changed", jobs.c.state, jobs.c.updated_at, jobs.c.key, where=HELD)
TRIGGERED = "trigger_type IS NOT NULL AND state <> 'finished'"
_partial("scheduler_jobs_trigger", jobs.c.trigger_type, jobs.c.id, where=TRIGGERED)
# store.following
_partial("scheduler_jobs_after", jobs.c.after_job, where="after_job IS NOT NULL")

# what is kept of runs that have ended, written with their ends: store.books
rollups = sa.Table(
    "scheduler_rollups",
    metadata,
    sa.Column("step", Text, primary_key=True),
    sa.Column("at", sa.BigInteger, primary_key=True),
    sa.Column("state", Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("firings", sa.BigInteger, nullable=False),
    sa.Column("pruned", sa.BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
job_stats = sa.Table(
    "scheduler_job_stats",
    metadata,
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
# store.orders, by what jobs usually take and by when they last failed
_partial("scheduler_job_stats_usual", job_stats.c.usual, job_stats.c.job_key, where="usual IS NOT NULL")
_partial("scheduler_job_stats_failed", job_stats.c.last_failure, job_stats.c.job_key, where="last_failure IS NOT NULL")
lags = sa.Table(
    "scheduler_lags",
    metadata,
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("grade", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("most", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
samples = sa.Table(
    "scheduler_samples",
    metadata,
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("backlog", sa.Integer, nullable=False),
    sa.Column("overdue", sa.Integer, nullable=False),
)
forecast = sa.Table(
    "scheduler_forecast",
    metadata,
    sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("firings", sa.BigInteger, nullable=False),
    sa.Column("busy", sa.Float, nullable=False),
)

logs = sa.Table(
    "scheduler_logs",
    metadata,
    sa.Column("run_id", Key, primary_key=True),
    sa.Column("start", Key, primary_key=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("text", sa.LargeBinary, nullable=False),
)

# attempts that others followed; a run that needs one only has no row here
attempts = sa.Table(
    "scheduler_attempts",
    metadata,
    sa.Column("run_id", Key, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger, nullable=False),
    sa.Column("error", Text),
    sqlite_with_rowid=False,
)

# the starts of tasks with a rate limit, as long as they count; what has none has no row here
starts = sa.Table(
    "scheduler_starts",
    metadata,
    sa.Column("run_id", Key, primary_key=True),
    sa.Column("token", sa.BigInteger, primary_key=True),
    sa.Column("task", Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
# store.limits
sa.Index("scheduler_starts_task", starts.c.task, starts.c.at)

engines = sa.Table(
    "scheduler_engines",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("node", Text, nullable=False),
    sa.Column("host", Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("process_start", Text, nullable=False),
    sa.Column("parent_pid", sa.Integer, nullable=False),
    sa.Column("parent_start", Text, nullable=False),
    sa.Column("version", Text, nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("tasks", Text, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("beat", sa.Integer, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("beat_at", sa.BigInteger, nullable=False),
    sa.Column("last_pass_at", sa.BigInteger),
    sa.Column("executors", Text),
    sa.Column("books", sa.Integer),
    sa.Column("commit_seconds", sa.Float),
    sa.Column("drained_at", sa.BigInteger),
    sa.Column("lag", sa.Float),
    sa.Column("claims", sa.Float),
    sa.Column("celery_pool", Text),
    sqlite_autoincrement=True,
)

facts = sa.Table(
    "scheduler_facts",
    metadata,
    sa.Column("name", Text, primary_key=True),
    sa.Column("value", Text, nullable=False),
)

idempotency = sa.Table(
    "scheduler_idempotency",
    metadata,
    sa.Column("api_key", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", Text, primary_key=True),
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("headers", Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)
# store.idempotency.prune
sa.Index("scheduler_idempotency_age", idempotency.c.created_at)
