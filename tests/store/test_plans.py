"""Every statement of the hot path is answered from an index, whatever the number of jobs and runs stored."""

import re
from collections.abc import Iterator

import pytest
from sqlalchemy.dialects import sqlite

from scheduler_app.store import (
    attempts,
    claims,
    dues,
    engines,
    facts,
    filling,
    firing,
    following,
    foreseen,
    idempotency,
    jobs,
    keys,
    lags,
    limits,
    outbox,
    outlook,
    pauses,
    places,
    plans,
    pruning,
    queues,
    rescues,
    rollups,
    runs,
    schema,
    searches,
    searching,
    sessions,
    settling,
    spans,
    standing,
    starting,
    tracks,
    trail,
)
from scheduler_app.store.database import Database
from scheduler_app.store.statement import Compiled, Statement

ROOMS = (
    attempts,
    outbox,
    claims,
    dues,
    facts,
    filling,
    firing,
    following,
    idempotency,
    jobs,
    lags,
    keys,
    limits,
    pauses,
    places,
    plans,
    pruning,
    queues,
    rescues,
    rollups,
    searches,
    searching,
    sessions,
    settling,
    spans,
    starting,
    tracks,
    trail,
    claims,
    facts,
    firing,
    following,
    foreseen,
    idempotency,
    jobs,
    pauses,
    places,
    pruning,
    rescues,
    settling,
    starting,
)
STATEMENTS = {
    f"{room.__name__.rpartition('.')[2]}.{name}": statement
    for room in ROOMS
    for name, statement in vars(room).items()
    if isinstance(statement, Statement)
} | {
    "engines.BEAT": engines.BEAT,
    "engines.SHARES": engines.SHARES,
    "runs.FIND": runs.FIND,
    "runs.CANCEL_WAITING_OF_JOB": runs.CANCEL_WAITING_OF_JOB,
}
COMPOSED = {"outlook.AHEAD": outlook.AHEAD, "standing.STANDING": standing.STANDING}
# partial indexes that hold only open work are read from their beginning on purpose
# the jobs of a thousand runs are told apart, the minutes of a slice are added up, and jobs of a batch that are alike
SORTED = {"pruning.CROWDED", "filling.COUNT"}
IN_ORDER = {
    "claims.CANDIDATES": "scheduler_runs_queue",
    "claims.HIGHEST": "scheduler_runs_queue",
    "claims.NEXT_READY": "scheduler_runs_waiting",
    "limits.ANY": "scheduler_starts_task",
    "limits.RUNNING_OF_EXECUTOR": "scheduler_runs_running",
    "limits.RUNNING_OF_TASK": "scheduler_runs_running",
    "numbers.TIMED_JOBS": "scheduler_jobs_due",
    "numbers.FINISHED_JOBS": "scheduler_jobs_finished",
    "numbers.ALL_HELD": "scheduler_jobs_held",
    "numbers.ALL_OPEN": "scheduler_jobs_open",
    "numbers.QUEUED": "scheduler_runs_queue",
    "numbers.RUNNING": "scheduler_runs_running",
    "numbers.WAITING": "scheduler_runs_waiting",
    "numbers.BLOCKED_RUNS": "scheduler_runs_blocked",
    "pauses.NEXT_LAPSE": "scheduler_jobs_lapsing",
    "spans.RUNNING": "scheduler_runs_running",
    # of engines that ended few are kept
    "engines.SHARES": "scheduler_engines",
    "filling.OLDER": "scheduler_engines",
    "filling.OLDER_LIVE": "scheduler_engines",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A new store, which no test writes to."""
    path = tmp_path_factory.mktemp("plans") / "s.db"
    database = Database(f"sqlite:///{path}", prepare=lambda store: schema.upgrade(store, on_create=lambda _: None))
    yield database
    database.close()


@pytest.mark.parametrize("name", STATEMENTS | COMPOSED)
def test_a_hot_statement_has_no_parameter_but_those_that_its_caller_gives(name):
    """SQLite prepares a statement anew whenever a parameter is bound on which the use of a partial index may depend."""
    statement = (STATEMENTS | COMPOSED)[name]
    order = Compiled(statement._statement, sqlite.dialect(), statement._columns).order
    assert not [parameter for parameter in order if re.search(r"_\d+$", parameter)]


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("for_one", [False, True], ids=["many", "one"])
def test_no_hot_statement_scans_a_table_or_sorts(database: Database, name, for_one):
    with database.read() as tx:
        compiled = STATEMENTS[name]._of(tx)
        compiled = (for_one and compiled.for_one) or compiled
        rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled.text}", tuple([None] * len(compiled.order))).all()
    plan = [row[3] for row in rows]
    assert name in SORTED or not any("TEMP B-TREE" in step for step in plan), plan
    scans = [step for step in plan if step.startswith("SCAN scheduler_")]
    assert all(name in IN_ORDER and step.endswith(IN_ORDER[name]) for step in scans), plan
