"""What must be true of the rows of a store, told by SQL: each check selects the rows that break a promise.

A check selects `job` and `run` (which may be null) and `detail`, what was found. The numbers are those of the promises
in the README; 0 is the store itself. A check is silent where a row may be as it is for an honest reason: what waits for
an engine is not overdue while none lives, and limits that were changed hold from the change on.

Where databases have different words for the same, the SQL has a name in double angle brackets, that of a `Words` field.

Parameters: `overdue`, a time before which what was due should have been done; `attended`, whether an engine was there
to do it; `fires`, whether one was and firing is not paused.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from scheduler_app.domain.job import JobState
from scheduler_app.domain.policy import Delivery
from scheduler_app.domain.run import FINAL_STATES, Origin, Reason, RunState
from scheduler_app.store.engines import LIVE
from scheduler_app.store.tables import open_runs


def _names(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that must be true: `sql` selects what is not; `found` says what that means."""

    promise: int
    found: str
    sql: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What the checks say differently on each database: which text is JSON, and which numbers were given last."""

    is_json: str
    tags_read: str
    tags_value: str
    due: str
    ids: str
    last_job: str
    last_run: str
    last_engine: str


SQLITE = Words(
    is_json="json_valid({})",
    tags_read="json_valid(tags)",
    tags_value="SELECT value FROM json_each(tags)",
    due="strftime('%Y-%m-%dT%H:%M:%SZ', next_run_time / 1000000, 'unixepoch')",
    ids="group_concat(id, ', ')",
    last_job="SELECT seq FROM sqlite_sequence WHERE name = 'scheduler_jobs'",
    last_run="SELECT seq FROM sqlite_sequence WHERE name = 'scheduler_runs'",
    last_engine="SELECT seq FROM sqlite_sequence WHERE name = 'scheduler_engines'",
)
POSTGRESQL = Words(
    is_json="({} IS JSON)",
    tags_read="tags IS JSON ARRAY",
    tags_value="SELECT json_array_elements_text(CASE WHEN tags IS JSON ARRAY THEN CAST(tags AS json) END)",
    due="to_char(to_timestamp(next_run_time / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    ids="string_agg(CAST(id AS text), ', ' ORDER BY id)",
    last_job="SELECT last_value FROM scheduler_jobs_key_seq",
    last_run="SELECT last_value FROM scheduler_runs_id_seq",
    last_engine="SELECT last_value FROM scheduler_engines_id_seq",
)
# before that, PostgreSQL cannot tell what is JSON without failing: it is told which texts are none
KNOWS_JSON = (16,)
OLDER_POSTGRESQL = replace(
    POSTGRESQL,
    is_json="({} <> ALL (CAST(:no_json AS text[])))",
    tags_read="tags <> ALL (CAST(:no_tags AS text[]))",
    tags_value="SELECT json_array_elements_text("
    "CASE WHEN tags <> ALL (CAST(:no_tags AS text[])) THEN CAST(tags AS json) END)",
)


def in_words(sql: str, words: Words) -> str:
    """Return the SQL of a check for a database."""
    for name, word in asdict(words).items():
        if "{}" in word:
            sql = re.sub(f"<<{name} (\\w+)>>", lambda found, word=word: word.format(found[1]), sql)  # type: ignore[misc]
        sql = sql.replace(f"<<{name}>>", word)
    return sql


def _run(promise: int, found: str, where: str, detail: str = "NULL") -> Check:
    sql = f"SELECT job_id AS job, id AS run, {detail} AS detail FROM scheduler_runs WHERE {where}"
    return Check(promise=promise, found=found, sql=sql)


def _job(promise: int, found: str, where: str, detail: str = "NULL") -> Check:
    sql = f"SELECT id AS job, NULL AS run, {detail} AS detail FROM scheduler_jobs WHERE {where}"
    return Check(promise=promise, found=found, sql=sql)


ENDED = _names(FINAL_STATES)
NEVER_RUN = _names([RunState.MISSED, RunState.SKIPPED])
EXECUTED = _names([RunState.SUCCEEDED, RunState.FAILED, RunState.TIMED_OUT])
HAS_JOB = "EXISTS (SELECT 1 FROM scheduler_jobs j WHERE j.key = scheduler_runs.job_key)"
BUSY = f"{open_runs('o.')} AND o.state <> 'scheduled'"
PLACE_IS_TAKEN = f"""EXISTS (SELECT 1 FROM scheduler_runs o WHERE {BUSY} AND o.job_key = scheduler_runs.job_key)
 OR EXISTS (SELECT 1 FROM scheduler_runs o WHERE {BUSY} AND o.concurrency_key = scheduler_runs.concurrency_key)"""

RUN_CHECKS = (
    _run(0, "a state that does not exist", f"state NOT IN ({_names(RunState)})", "state"),
    _run(0, "a reason that does not exist", f"reason NOT IN ({_names(Reason)})", "reason"),
    _run(0, "an origin that does not exist", f"origin NOT IN ({_names(Origin)})", "origin"),
    _run(0, "a delivery that does not exist", f"delivery NOT IN ({_names(Delivery)})", "delivery"),
    _run(
        0,
        "what it holds is no JSON",
        "NOT (<<is_json args>> AND <<is_json kwargs>> AND (result IS NULL OR <<is_json result>>)"
        " AND (retry IS NULL OR <<is_json retry>>))",
    ),
    _run(
        0,
        "it names another job than its key does",
        f"{HAS_JOB} AND job_id <> (SELECT j.id FROM scheduler_jobs j WHERE j.key = job_key)",
        "'key ' || job_key",
    ),
    _run(
        0,
        "it belongs to a job that never was",
        "job_key < 1 OR job_key > (<<last_job>>)",
        "'key ' || job_key",
    ),
    _run(2, "caused by a run that came later", "parent_run >= id", "'run ' || parent_run"),
    _run(0, "a retry that does not say of which run", f"origin = '{Origin.RETRY}' AND retry_of IS NULL"),
    _run(
        2,
        "a missed range that is none",
        f"state = '{RunState.MISSED}' AND (missed_since IS NULL OR missed_until IS NULL OR missed_until < missed_since"
        " OR missed_since <> scheduled_at OR missed_count < 1)",
    ),
    _run(
        2,
        "a missed range at a run that was not missed",
        f"state <> '{RunState.MISSED}' AND coalesce(missed_since, missed_until, missed_count) IS NOT NULL",
        "state",
    ),
    _run(
        2,
        "it waits, though its job was deleted",
        f"state = '{RunState.SCHEDULED}' AND NOT {HAS_JOB}",
    ),
    _run(3, "running without a token", f"state = '{RunState.RUNNING}' AND token IS NULL"),
    _run(3, "running without an engine", f"state = '{RunState.RUNNING}' AND engine IS NULL"),
    _run(3, "running without a start", f"state = '{RunState.RUNNING}' AND started_at IS NULL"),
    _run(3, "ended, but at no time", f"state IN ({ENDED}) AND finished_at IS NULL", "state"),
    _run(
        3,
        "ended, but never executed",
        f"state IN ({EXECUTED}) AND (attempt < 1 OR started_at IS NULL)",
        "state || ', attempt ' || attempt",
    ),
    _run(
        4,
        "running in an engine that has ended",
        f"state = '{RunState.RUNNING}' AND engine IS NOT NULL AND NOT EXISTS (SELECT 1 FROM scheduler_engines e"
        f" WHERE e.id = engine AND e.state IN ({_names(LIVE)}))",
        "'engine ' || engine",
    ),
    _run(
        4,
        "running in an engine that does not beat, and no other engine took it over",
        f"state = '{RunState.RUNNING}' AND :attended AND EXISTS (SELECT 1 FROM scheduler_engines e"
        f" WHERE e.id = engine AND e.state IN ({_names(LIVE)}) AND e.beat_at < :overdue)",
        "'engine ' || engine",
    ),
    _run(
        4,
        "at_most_once, but started more than once",
        f"delivery = '{Delivery.AT_MOST_ONCE}' AND attempt > 1",
        "'attempt ' || attempt",
    ),
    _run(
        4,
        "at_most_once, but may be started more than once",
        f"delivery = '{Delivery.AT_MOST_ONCE}' AND max_attempts > 1",
        "'max_attempts ' || max_attempts",
    ),
    _run(
        4,
        "more attempts than it may have",
        f"delivery <> '{Delivery.AT_MOST_ONCE}' AND (attempt > max_attempts + crashes OR attempt < 0)",
        "'attempt ' || attempt || ' of ' || max_attempts || ', crashes ' || crashes",
    ),
    _run(
        4,
        "its wait is over, but no engine queued it",
        f"state = '{RunState.SCHEDULED}' AND reason <> '{Reason.BLOCKED}' AND ready_at < :overdue AND :fires",
        "reason",
    ),
    _run(
        4,
        "blocked, but nothing that runs will free it",
        f"state = '{RunState.SCHEDULED}' AND reason = '{Reason.BLOCKED}' AND NOT ({PLACE_IS_TAKEN})",
    ),
    _run(4, "it waits without a reason, so that nothing will queue it", "state = 'scheduled' AND reason IS NULL"),
    _run(5, "without a reason", f"state IN ({NEVER_RUN}, '{RunState.LOST}') AND reason IS NULL", "state"),
    _run(5, "failed, but without an error", f"state = '{RunState.FAILED}' AND error_type IS NULL"),
    _run(
        5,
        "recorded as not executed, but it was",
        f"state IN ({NEVER_RUN}) AND (attempt > 0 OR started_at IS NOT NULL)",
        "state || ', attempt ' || attempt",
    ),
)
JOB_CHECKS = (
    _job(0, "a state that does not exist", f"state NOT IN ({_names(JobState)})", "state"),
    _job(
        0,
        "its tags cannot be found",
        """tags <> '[]' AND <<tags_read>> AND EXISTS (
 <<tags_value>> EXCEPT SELECT tag FROM scheduler_job_tags WHERE job_key = scheduler_jobs.key)""",
        "tags",
    ),
    _job(
        0,
        "it is found by tags that it has not",
        """<<tags_read>> AND EXISTS (SELECT tag FROM scheduler_job_tags
 WHERE job_key = scheduler_jobs.key EXCEPT <<tags_value>>)""",
        "tags",
    ),
    _job(
        2,
        "due, but no engine fired it",
        "state = 'active' AND next_run_time < :overdue AND :fires",
        "<<due>>",
    ),
    _job(2, "finished, but it has a next_run_time", "state = 'finished' AND next_run_time IS NOT NULL"),
    _job(
        2,
        "nothing is due any more and no run is open, but it is not finished",
        f"""state IN ('active', 'paused') AND next_run_time IS NULL AND after_job IS NULL AND NOT EXISTS (
 SELECT 1 FROM scheduler_runs r
 WHERE r.job_key = scheduler_jobs.key AND {open_runs("r.")})""",
        "state",
    ),
    _job(
        2,
        "what it comes after is not what its trigger says",
        "(after_job IS NULL) <> (coalesce(trigger_type, '') <> 'after')",
        "coalesce(after_job, 'nothing')",
    ),
    _job(
        2,
        "it comes after runs, but it is finished, or has a time",
        """after_job IS NOT NULL
 AND (state = 'finished' OR next_run_time IS NOT NULL)""",
        "state",
    ),
    _job(
        4,
        "at_most_once, but with retries",
        f"delivery = '{Delivery.AT_MOST_ONCE}' AND max_retries > 0",
        "'max_retries ' || max_retries",
    ),
    _job(7, "broken, but without a reason", "state = 'broken' AND reason IS NULL"),
)
OTHER_CHECKS = (
    Check(
        promise=2,
        found="recorded twice: an earlier record covers it",
        sql="""SELECT job, run, 'run ' || before AS detail FROM (
 SELECT job_id AS job, id AS run, scheduled_at, lag(id) OVER firings AS before,
 max(coalesce(missed_until, scheduled_at)) OVER (firings ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS until
 FROM scheduler_runs WHERE origin = 'schedule'
 WINDOW firings AS (PARTITION BY job_key ORDER BY scheduled_at, id)) AS recorded WHERE scheduled_at <= until""",
    ),
    Check(
        promise=3,
        found="more of its runs are running than max_instances allows",
        sql="""SELECT j.id AS job, max(r.id) AS run, count(*) || ' of ' || j.max_instances AS detail
 FROM scheduler_runs r JOIN scheduler_jobs j ON j.key = r.job_key WHERE r.state = 'running'
 GROUP BY j.key HAVING count(*) > j.max_instances AND max(r.started_at) > j.updated_at""",
    ),
    Check(
        promise=3,
        found="several runs of one concurrency_key are running",
        sql="""SELECT NULL AS job, max(id) AS run, concurrency_key || ': runs ' || <<ids>> AS detail
 FROM scheduler_runs WHERE state = 'running' AND concurrency_key IS NOT NULL
 GROUP BY concurrency_key HAVING count(*) > 1""",
    ),
    Check(
        promise=0,
        found="a log without its run",
        sql="""SELECT NULL AS job, run_id AS run, count(*) || ' pieces' AS detail FROM scheduler_logs
 WHERE NOT EXISTS (SELECT 1 FROM scheduler_runs r WHERE r.id = run_id) GROUP BY run_id""",
    ),
    Check(
        promise=0,
        found="a tag without its job",
        sql="""SELECT NULL AS job, NULL AS run, tag || ', key ' || job_key AS detail FROM scheduler_job_tags
 WHERE NOT EXISTS (SELECT 1 FROM scheduler_jobs j WHERE j.key = job_key)""",
    ),
    Check(
        promise=0,
        found="its next rows would take numbers that were used",
        sql="""SELECT NULL AS job, NULL AS run, name || ' begins again at ' || coalesce(max(last), 0) AS detail
 FROM (SELECT 'scheduler_jobs' AS name, (<<last_job>>) AS last, max(key) AS most FROM scheduler_jobs
 UNION SELECT 'scheduler_jobs', (<<last_job>>), max(job_key) FROM scheduler_runs
 UNION SELECT 'scheduler_runs', (<<last_run>>), max(id) FROM scheduler_runs
 UNION SELECT 'scheduler_engines', (<<last_engine>>), max(id) FROM scheduler_engines) AS numbers
 WHERE most > coalesce(last, 0) GROUP BY name""",
    ),
    Check(
        promise=0,
        found="a fact that is no JSON",
        sql="SELECT NULL AS job, NULL AS run, name AS detail FROM scheduler_facts WHERE NOT <<is_json value>>",
    ),
)
CHECKS = (*RUN_CHECKS, *JOB_CHECKS, *OTHER_CHECKS)
