"""Jobs that are added in a transaction of the user's own: there with its commit, never after its rollback."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from apscheduler.events import EVENT_JOB_ADDED
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from scheduler_app.errors import IdTaken, InvalidArguments, InvalidInput, NotCommitted, NotFound, StoreUnavailable
from scheduler_app.services import jobs
from scheduler_app.store import tables
from scheduler_app.store.foreign import UNTOLD
from scheduler_app.testing.clock import START

pytestmark = pytest.mark.databases


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def engine(scheduler_database: str) -> Iterator[sa.Engine]:
    """The user's own engine, on the database of the store."""
    engine = sa.create_engine(scheduler_database)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@pytest.fixture
def shipped() -> list[int]:
    return []


@pytest.fixture
def ship(scheduler, shipped: list[int]):
    @scheduler.task
    def ship(order: int) -> int:
        shipped.append(order)
        return order

    return ship


def add_order(session: Session) -> int:
    order = Order()
    session.add(order)
    session.flush()
    return order.id


def rows(engine: sa.Engine) -> tuple[int, int, int]:
    """How many orders, jobs and runs are committed."""
    with engine.connect() as connection:
        counted = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (Order.__table__, tables.jobs, tables.runs)
        ]
    return tuple(counted)


def test_a_commit_makes_the_run_due(session: Session, engine: sa.Engine, ship, shipped: list[int], fake_clock):
    run = ship.delay(add_order(session), in_transaction=session)
    assert rows(engine) == (0, 0, 0)
    session.commit()
    assert rows(engine) == (1, 1, 1)
    fake_clock.run_due()
    assert shipped == [1]
    assert (run.state, run.result, run.run.origin) == ("succeeded", 1, "once")


def test_a_rollback_leaves_nothing(session: Session, engine: sa.Engine, ship, shipped: list[int], fake_clock):
    run = ship.delay(add_order(session), in_transaction=session)
    session.rollback()
    fake_clock.advance(minutes=5)
    assert (shipped, rows(engine)) == ([], (0, 0, 0))
    with pytest.raises(
        NotFound, match=f"there is no run {run.id}: the transaction that it was added in was rolled back"
    ):
        _ = run.state
    with pytest.raises(NotFound, match="rolled back"):
        run.wait(timeout=5)
    with pytest.raises(NotFound):
        run.cancel()


def test_a_session_that_is_closed_without_a_commit_leaves_nothing(engine: sa.Engine, ship):
    with Session(engine) as session:
        ship.delay(add_order(session), in_transaction=session)
    assert rows(engine) == (0, 0, 0)


def test_until_the_commit_a_handle_tells_what_the_transaction_holds_and_waits_for_nothing(session: Session, ship):
    run = ship.delay(1, in_transaction=session)
    job = ship.delay_until(START + timedelta(hours=1), 1, in_transaction=session)
    assert (run.state, run.result, job.state, job.run) == ("queued", None, "active", None)
    for handle in (run, job):
        with pytest.raises(NotCommitted, match=r"cannot be waited for yet: .* is not committed"):
            handle.wait(timeout=60)
        with pytest.raises(NotCommitted, match="cannot be cancelled yet"):
            handle.cancel()
    session.commit()
    job.cancel()
    assert run.cancel().state == "cancelled"


def test_a_savepoint_that_is_rolled_back_takes_its_job_along_and_no_other(
    session: Session, engine: sa.Engine, ship, shipped: list[int], fake_clock
):
    ship.delay(add_order(session), in_transaction=session)
    savepoint = session.begin_nested()
    lost = ship.delay(add_order(session), in_transaction=session)
    savepoint.rollback()
    with pytest.raises(NotFound):
        _ = lost.state
    with session.begin_nested():
        kept = ship.delay(3, in_transaction=session)
    with pytest.raises(NotCommitted):
        kept.wait(timeout=60)
    session.commit()
    fake_clock.run_due()
    assert sorted(shipped) == [1, 3]
    assert rows(engine) == (1, 2, 2)


@pytest.mark.parametrize("kind", ["scoped session", "connection", "session on a connection"])
def test_every_kind_of_transaction_is_taken(kind: str, engine: sa.Engine, ship, shipped: list[int], fake_clock):
    with engine.connect() as connection:
        given = {
            "scoped session": scoped_session(sessionmaker(engine)),
            "connection": connection,
            "session on a connection": Session(connection),
        }[kind]
        ship.delay(1, in_transaction=given)
        given.rollback()
        ship.delay(2, in_transaction=given)
        given.commit()
        if kind != "connection":
            given.close()
    fake_clock.run_due()
    assert shipped == [2]


def test_jobs_of_every_kind_can_be_added(session: Session, scheduler, ship, shipped: list[int], fake_clock):
    ship.delay_until(START + timedelta(hours=1), 1, in_transaction=session)
    ship.every(minutes=45, args=[2], id="often", tags=["a", "b"], in_transaction=session)
    scheduler.add_job("daily", ship, args=[3], trigger="cron", hour=2, timezone="UTC", in_transaction=session)
    scheduler.add_job("once", ship, args=[4], in_transaction=session)
    paused = scheduler.add_job("paused", ship, args=[5], next_run_time=None, in_transaction=session)
    assert paused.state == "paused"
    assert scheduler.get_jobs() == []
    session.commit()
    fake_clock.advance(hours=2)
    assert shipped == [4, 2, 1, 2, 3]
    assert scheduler.get_job("often").policies.tags == ("a", "b")
    assert scheduler.get_job("daily").next_run_time == START + timedelta(days=1, hours=2)


def test_a_concurrency_key_holds_for_runs_that_were_added_in_transactions(
    scheduler, engine: sa.Engine, fake_clock, ship
):
    """Whether a key is free is not known before the commit: the run lines up after it."""
    seen = []

    @scheduler.task(concurrency_key="printer")
    def print_label(number: int) -> None:
        open_runs = jobs_of_state(engine, "running")
        seen.append((number, open_runs))

    with Session(engine) as one, Session(engine) as other:
        runs = [print_label.delay(1, in_transaction=one)]
        assert (runs[0].state, runs[0].run.reason) == ("scheduled", "delayed")
        one.commit()
        runs.append(print_label.delay(2, in_transaction=other))
        runs.append(print_label.delay(3, in_transaction=other))
        other.commit()
    fake_clock.run_due()
    assert seen == [(1, 1), (2, 1), (3, 1)]
    assert {run.state for run in runs} == {"succeeded"}


def jobs_of_state(engine: sa.Engine, state: str) -> int:
    with engine.connect() as connection:
        query = sa.select(sa.func.count()).select_from(tables.runs).where(tables.runs.c.state == state)
        return connection.execute(query).scalar_one()


def test_a_task_may_add_jobs_in_a_transaction_of_its_own(
    scheduler, engine: sa.Engine, ship, shipped: list[int], fake_clock
):
    @scheduler.task
    def order() -> None:
        with Session(engine) as session:
            ship.delay(add_order(session), in_transaction=session)
            session.commit()

    order.delay()
    fake_clock.run_due()
    assert shipped == [1]


def test_an_id_in_use_is_refused_and_the_transaction_goes_on(session: Session, engine: sa.Engine, scheduler, ship):
    scheduler.add_job("mine", ship, args=[1], trigger="interval", hours=1)
    add_order(session)
    with pytest.raises(IdTaken, match="a job with id 'mine' exists"):
        scheduler.add_job("mine", ship, args=[2], trigger="interval", hours=1, in_transaction=session)
    session.commit()
    assert rows(engine) == (1, 1, 0)


def test_what_is_wrong_with_a_job_is_refused_before_anything_is_written(session: Session, engine: sa.Engine, ship):
    add_order(session)
    with pytest.raises(InvalidArguments):
        ship.delay("many", in_transaction=session)
    with pytest.raises(InvalidInput, match="a job cannot be replaced in a transaction of yours"):
        ship.every(minutes=5, id="a", replace_existing=True, in_transaction=session)
    session.commit()
    assert rows(engine) == (1, 0, 0)


@pytest.mark.scheduler_mode("inline")
def test_the_engine_here_is_woken_and_listeners_are_told_by_the_commit(session: Session, scheduler, ship):
    told: list[str] = []
    scheduler.add_listener(lambda event: told.append(event.job_id), EVENT_JOB_ADDED)
    run = ship.delay(1, in_transaction=session)
    with session.begin_nested() as savepoint:
        ship.delay(2, in_transaction=session)
        savepoint.rollback()
    ship.delay(3, in_transaction=session)
    assert told == []
    session.commit()
    assert (len(told), told[0], run.state) == (2, run.job_id, "succeeded")
    ship.delay(4, in_transaction=session)
    session.rollback()
    session.commit()
    assert len(told) == 2
    assert session.info[UNTOLD] == []


@pytest.mark.postgresql
def test_the_other_processes_are_woken_by_the_commit(session: Session, scheduler, ship):
    probe = scheduler.core.database.probe()
    assert probe.has_changed()
    ship.delay_until(START + timedelta(hours=1), 1, in_transaction=session)
    session.commit()
    assert not probe.has_changed()
    ship.delay(1, in_transaction=session)
    assert not probe.has_changed()
    session.commit()
    assert probe.has_changed()
    probe.close()


@pytest.mark.slow
@pytest.mark.sqlite
def test_a_write_of_ours_while_a_transaction_writes_to_the_file_is_refused_with_what_to_do(session: Session, ship):
    add_order(session)
    with pytest.raises(StoreUnavailable, match=r"commit yours first, or add the job in it \(in_transaction=\)"):
        ship.delay(1)
    session.commit()
    ship.delay(1)


@pytest.mark.postgresql
def test_writers_do_not_wait_for_a_transaction_that_holds_a_job(session: Session, scheduler, ship):
    ship.delay(1, in_transaction=session)
    assert ship.delay(2).state == "queued"
    scheduler.add_job("a", ship, args=[3], trigger="interval", hours=1)
    session.commit()


@pytest.mark.postgresql
def test_another_driver_may_hold_the_transaction(scheduler_database: str, ship, shipped: list[int], fake_clock):
    engine = sa.create_engine(scheduler_database.replace("+psycopg", "+psycopg2"))
    with Session(engine) as session:
        ship.delay(1, in_transaction=session)
        session.rollback()
        ship.delay(2, in_transaction=session)
        session.commit()
    engine.dispose()
    fake_clock.run_due()
    assert shipped == [2]


@pytest.mark.postgresql
def test_a_transaction_in_two_phases_can_be_prepared(engine: sa.Engine, ship, shipped: list[int], fake_clock):
    """PostgreSQL prepares none that notifies; the engines look by themselves."""
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        ship.delay(1, in_transaction=connection)
        transaction.prepare()
        transaction.commit()
    fake_clock.run_due()
    assert shipped == [1]


def test_schemas_that_a_connection_translates_are_not_those_of_our_tables(
    engine: sa.Engine, ship, shipped: list[int], fake_clock
):
    with Session(engine.execution_options(schema_translate_map={None: "tenant"})) as session:
        ship.delay(1, in_transaction=session)
        session.commit()
    fake_clock.run_due()
    assert shipped == [1]


def test_a_connection_that_commits_each_statement_is_refused(scheduler_database: str, engine: sa.Engine, ship):
    with (
        Session(engine.execution_options(isolation_level="AUTOCOMMIT")) as session,
        pytest.raises(InvalidInput, match="commits each statement") as refused,
    ):
        ship.delay(1, in_transaction=session)
    assert refused.value.faults[0].pointer == "/in_transaction"
    always = sa.create_engine(scheduler_database, isolation_level="AUTOCOMMIT")
    with always.connect() as connection, pytest.raises(InvalidInput, match="commits each statement"):
        ship.delay(1, in_transaction=connection)
    always.dispose()
    assert rows(engine) == (0, 0, 0)


@pytest.mark.parametrize("given", [object(), "session", True, sessionmaker()])
def test_what_is_no_transaction_is_refused(given: object, ship):
    with pytest.raises(InvalidInput, match=f"takes an SQLAlchemy Session, .* got {type(given).__name__}"):
        ship.delay(1, in_transaction=given)


def test_a_session_without_a_database_is_refused(ship):
    with pytest.raises(InvalidInput, match="has no default database"):
        ship.delay(1, in_transaction=Session())


def test_a_transaction_on_another_database_is_refused_and_both_are_named(tmp_path, scheduler, ship):
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with Session(engine) as session, pytest.raises(InvalidInput) as refused:
        ship.delay(1, in_transaction=session)
    engine.dispose()
    assert str(tmp_path / "other.db") in refused.value.detail
    assert scheduler.core.database.shown in refused.value.detail


@pytest.mark.sqlite
def test_a_database_in_memory_is_refused(ship):
    engine = sa.create_engine("sqlite://")
    with Session(engine) as session, pytest.raises(InvalidInput, match="is on a database in memory"):
        ship.delay(1, in_transaction=session)
    engine.dispose()


@pytest.mark.postgresql
def test_another_database_of_the_server_is_refused_without_a_password(postgresql, scheduler_database: str, ship):
    other = postgresql.fresh().replace("postgres@", "postgres:s3cret-and-long@")
    engine = sa.create_engine(other)
    with Session(engine) as session, pytest.raises(InvalidInput) as refused:
        ship.delay(1, in_transaction=session)
    engine.dispose()
    assert "s3cret" not in refused.value.detail
    assert "/t" in refused.value.detail


def test_a_job_is_found_while_it_is_only_in_the_transaction(session: Session, scheduler, ship):
    """What other calls see is what is committed."""
    job = ship.every(minutes=5, args=[1], in_transaction=session)
    with pytest.raises(NotFound):
        jobs.get_job(job.id, ctx=scheduler.core.ctx)
    assert job.job.next_run_time == START + timedelta(minutes=5)
    session.commit()
    assert jobs.get_job(job.id, ctx=scheduler.core.ctx) == job.job
