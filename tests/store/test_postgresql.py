"""What is PostgreSQL's own: one lock for all writers, connections, waking, its clock, its password."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from scheduler_app.clock import SystemClock
from scheduler_app.errors import ConfigurationError, StoreUnavailable
from scheduler_app.store import claims, facts, firing, postgresql, schema, settling
from scheduler_app.store.database import Connections, Database
from scheduler_app.store.lanes import driver_of
from scheduler_app.store.statement import Statement
from tests import postgres

PASSWORD = "s3cret-and-long"
FIVE_THOUSAND_RUNS = """
    INSERT INTO scheduler_runs (job_key, job_id, task, args, kwargs, origin, scheduled_at, ready_at, state, attempt,
    max_attempts, crashes, suspicions, alone, priority, delivery, executor) SELECT number, 'job', 'noop', '[]', '{}',
    'schedule', 0, 0, 'succeeded', 1, 1, 0, 0, false, 0, 'at_least_once', 'thread' FROM generate_series(1, 5000) number
"""


@pytest.fixture
def url(postgresql: postgres.Server) -> str:
    return postgresql.fresh(postgres.TEMPLATE)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        yield database


@pytest.fixture
def operator(postgresql: postgres.Server, database: Database) -> Iterator[psycopg.Connection]:
    """Somebody else on the same database."""
    assert database.url.database is not None
    with postgresql.connect(database.url.database) as connection:
        yield connection


def note(name: str):
    return lambda tx: facts.put(tx, name, {})


def test_a_write_that_another_writer_keeps_waiting_is_refused_within_two_seconds_and_goes_on_when_that_is_gone(
    database: Database, operator: psycopg.Connection
):
    operator.execute("BEGIN; " + postgresql.OUR_LOCK)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="lock timeout"):
        database.write(note("a"))
    assert time.monotonic() - began < 2.0
    operator.close()
    database.write(note("a"))


def test_connections_that_the_server_has_ended_are_replaced_unnoticed(database: Database, operator: psycopg.Connection):
    for turn in range(3):
        database.write(note(f"a{turn}"))
        with database.read() as tx:
            assert facts.get(tx, f"a{turn}") == {}
        ended = operator.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        assert len(ended.fetchall()) == 2


def test_a_transaction_whose_connection_is_lost_is_undone_and_the_next_one_works(
    database: Database, operator: psycopg.Connection
):
    def work(tx) -> None:
        note("lost")(tx)
        operator.execute(f"SELECT pg_terminate_backend({tx.connection.driver_connection.info.backend_pid}, 5000)")
        note("never")(tx)

    with pytest.raises(StoreUnavailable, match="the store does not answer"):
        database.write(work)
    database.write(note("after"))
    with database.read() as tx:
        assert (facts.get(tx, "lost"), facts.get(tx, "after")) == (None, {})


def test_a_session_that_is_silent_is_given_up_within_two_seconds_and_no_other_tried(
    database: Database, operator: psycopg.Connection
):
    with database.read(), database.read():
        pass
    others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    pids = [pid for (pid,) in operator.execute(others).fetchall()]
    assert len(pids) == 2
    began = time.monotonic()
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(StoreUnavailable, match=r"no answer within 1\.7 s"), database.read():
            pass
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert time.monotonic() - began < 2.0
    with database.read() as tx:
        assert facts.get(tx, "a") is None


def test_of_many_who_ask_a_silent_server_none_waits_longer_than_the_first(
    postgresql: postgres.Server, database: Database
):
    with database.read():
        pass

    def ask(_: int) -> float:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable), database.read():
            pass
        return time.monotonic() - began

    postgresql.signal_all(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(30) as pool:
            first = list(pool.map(ask, range(30)))
            second = list(pool.map(ask, range(30)))
    finally:
        postgresql.signal_all(signal.SIGCONT)
    assert max(first) < 3.0
    assert sorted(second)[-2] < 1.5, "one finds out whether the server is still silent, for all"
    assert max(second) < 3.0
    with database.read() as tx:
        assert facts.get(tx, "a") is None


@pytest.mark.parametrize(
    "statement",
    [firing.ADVANCE, claims.TAKE, claims.GIVE_BACK, settling.WRITE],
    ids=["advance", "take", "give back", "settle"],
)
def test_a_row_is_found_by_its_key_also_where_nothing_was_counted_yet(database: Database, statement: Statement):
    """Each of ten thousand jobs that were due at one time was looked for among all of them."""
    with database.read() as tx:
        compiled = statement._of(tx)
        values = compiled.values(dict.fromkeys(compiled.order, 1) | {"state_": "succeeded", "alone_": False})
        plan = "\n".join(row[0] for row in driver_of(tx).execute(f"EXPLAIN {compiled.text}", values))
    assert re.search(r"Index Scan using scheduler_(jobs|runs)_pkey", plan), plan


def test_statements_are_planned_anew_as_their_tables_grow(database: Database, operator: psycopg.Connection):
    """What was planned for an empty table read all of it for each of ten thousand runs."""
    operator.execute("VACUUM scheduler_runs")
    of_take = "SELECT name FROM pg_prepared_statements WHERE statement LIKE 'UPDATE %' AND generic_plans > 0"

    def take(tx: sa.Connection) -> str:
        claims.TAKE.run(tx, id_=1, engine_=1, token_=1, alone_=False, now_=1)
        driver = driver_of(tx)
        names = driver.execute(of_take, prepare=False).fetchall()
        return "".join(row[0] for (name,) in names for row in driver.execute(f"EXPLAIN EXECUTE {name}(false,1,1,1,1)"))

    plans = [database.write(take) for _ in range(20)]
    assert plans[-1] and "scheduler_runs_pkey" not in plans[-1]
    operator.execute(FIVE_THOUSAND_RUNS)
    plans = [database.write(take) for _ in range(postgresql.PLANS_LAST)]
    assert "Index Scan using scheduler_runs_pkey" in plans[-1]


def test_an_option_that_does_not_exist_is_refused_without_the_password(postgresql: postgres.Server):
    url = f"postgresql+psycopg://me:{PASSWORD}@/db?host={postgresql.folder}&sslmod=require"
    with (
        closing(Database(url)) as database,
        pytest.raises(ConfigurationError, match="sslmod") as refused,
        database.read(),
    ):
        pass
    assert PASSWORD not in str(refused.value)


def test_no_more_connections_are_opened_than_allowed_and_who_finds_none_is_told(database: Database):
    held, goes_on = threading.Barrier(postgresql.MOST_READERS + 1), threading.Event()

    def read() -> None:
        with database.read():
            held.wait(10.0)
            goes_on.wait(10.0)

    threads = [threading.Thread(target=read) for _ in range(postgresql.MOST_READERS)]
    for thread in threads:
        thread.start()
    held.wait(10.0)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="every connection"), database.read():
        pass
    assert time.monotonic() - began < 2.0
    goes_on.set()
    for thread in threads:
        thread.join()


@pytest.mark.postgresql
def test_only_a_commit_that_makes_something_due_wakes_the_others(scheduler, fake_clock):
    @scheduler.task
    def nothing() -> None:
        pass

    with closing(scheduler.core.database.probe()) as probe:
        assert probe.has_changed()
        scheduler.add_job("later", nothing, trigger="interval", hours=1)
        scheduler.core.database.write(note("a"))
        scheduler.pause()
        assert not probe.has_changed()
        for change in (
            scheduler.resume,
            nothing.delay,
            lambda: scheduler.run_job("later"),
            lambda: scheduler.add_job("now", nothing, trigger="date", run_date=fake_clock.now() + timedelta(seconds=1)),
        ):
            change()
            assert probe.has_changed()


def test_a_pooler_is_not_listened_through(url: str):
    database = Database(url, pooler=True)
    with closing(database.probe()) as probe:
        assert not probe.has_changed()
        assert probe.rest == 1.0


def test_a_clock_that_is_wrong_goes_by_the_one_of_the_database(database: Database):
    clock = SystemClock()
    clock.adjust(timedelta(hours=-2), within=timedelta())
    assert abs(clock.now() - datetime.now(UTC) + timedelta(hours=2)) < timedelta(seconds=5)
    ahead, within = database.ahead(clock) or (timedelta(), timedelta())
    clock.adjust(ahead, within=within)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    before = clock.now()
    clock.adjust(timedelta(seconds=2), within=timedelta(seconds=3))
    assert clock.now() - before < timedelta(seconds=1)


def test_of_many_starters_one_makes_the_store(postgresql: postgres.Server):
    url, made, together = postgresql.fresh(), [], threading.Barrier(4)

    def start() -> None:
        def prepare(store: Connections) -> None:
            schema.upgrade(store, on_create=lambda _: made.append("made"))

        with closing(Database(url, prepare=prepare)) as database:
            together.wait(10.0)
            database.write(note("started"))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["made"]


def test_a_database_that_cannot_hold_every_text_is_refused(postgresql: postgres.Server):
    postgresql.execute("CREATE DATABASE narrow TEMPLATE template0 ENCODING 'SQL_ASCII'")
    with (
        closing(Database(postgresql.url("narrow"))) as database,
        pytest.raises(ConfigurationError, match=r"in UTF8, got PostgreSQL \d+ and SQL_ASCII"),
        database.read(),
    ):
        pass


@pytest.mark.parametrize("url", ["postgresql+asyncpg://me:{}@host/db", "postgresql+psycopg2://me:{}@host/db"])
def test_another_driver_is_refused(url: str):
    with pytest.raises(ConfigurationError, match=r"postgresql\+psycopg://") as refused:
        Database(url.format(PASSWORD))
    assert PASSWORD not in str(refused.value)


def test_a_password_is_in_no_error_and_no_answer(postgresql: postgres.Server, tmp_path: Path):
    name = Database(postgresql.fresh()).url.database
    with postgresql.connect() as connection:
        connection.execute(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")
    right = f"postgresql+psycopg://app:{PASSWORD}@/{name}?host={postgresql.folder}&options=-csearch_path%3Dpublic"
    wrong = right.replace(PASSWORD, PASSWORD + "-not")
    absent = right.replace(str(postgresql.folder), str(tmp_path))
    with closing(Database(right)) as database, database.read() as tx:
        assert tx.dialect.name == "postgresql"
        assert PASSWORD not in database.shown + repr(database.url) + repr(tx.engine)
    for url, words in ((wrong, "password authentication failed"), (absent, "No such file")):
        with closing(Database(url)) as database, pytest.raises(StoreUnavailable, match=words) as refused:
            with database.read():
                pass
            database.write(note("a"))
        shown = refused.getrepr(showlocals=False, chain=True)
        assert PASSWORD not in str(refused.value) + str(shown)
