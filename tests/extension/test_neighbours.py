"""Our tables beside the user's in one database: whatever makes, migrates or drops one side leaves the other alone."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from scheduler_app import Scheduler, include_name
from scheduler_app.errors import ConfigurationError, StoreUnavailable
from scheduler_app.store import auditing, schema, tables
from scheduler_app.store.database import Database
from tests.cli.conftest import said

__all__ = ["said"]

MIGRATES = """
from flask import Flask
from flask_migrate import Migrate, downgrade, init, migrate, upgrade
from flask_sqlalchemy import SQLAlchemy
from scheduler_app import Scheduler, include_name

app = Flask("shop")
app.config["SQLALCHEMY_DATABASE_URI"] = app.config["SCHEDULER_DATABASE"] = "{url}"
db = SQLAlchemy(app)
Migrate(app, db, include_name=include_name)
scheduler = Scheduler(app)

class Order(db.Model):
    id = db.Column(db.Integer, primary_key=True)

with app.app_context():
    scheduler.upgrade()
    init("migrations")
    migrate("migrations")
    upgrade("migrations")
    scheduler.upgrade()
    db.session.add(Order())
    db.session.commit()
    downgrade("migrations", revision="base")
    scheduler.upgrade()
    print("tables:", *db.inspect(db.engine).get_table_names())
scheduler.core.close()
"""


@pytest.fixture
def theirs() -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True))
    # called like ours, and none of ours
    sa.Table("scheduler_notes", metadata, sa.Column("id", sa.Integer, primary_key=True))
    return metadata


@pytest.fixture
def engine(scheduler_database: str, theirs: sa.MetaData) -> Iterator[sa.Engine]:
    engine = sa.create_engine(scheduler_database)
    theirs.create_all(engine)
    with engine.begin() as connection:
        connection.execute(theirs.tables["orders"].insert(), [{"id": 1}, {"id": 2}])
    yield engine
    engine.dispose()


def proposed(engine: sa.Engine, metadata: sa.MetaData, **options: object) -> list[object]:
    """What Alembic would change to make the database look like the user's models."""
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


@pytest.mark.databases
def test_their_migrations_propose_to_drop_our_tables_only_without_our_filter(engine: sa.Engine, theirs: sa.MetaData):
    dropped = {str(change[1].name) for change in proposed(engine, theirs) if change[0] == "remove_table"}
    assert dropped == {*tables.metadata.tables, schema.VERSION_TABLE}
    assert proposed(engine, theirs, include_name=include_name) == []
    theirs.remove(theirs.tables["scheduler_notes"])
    changes = proposed(engine, theirs, include_name=include_name)
    assert [(change[0], change[1].name) for change in changes] == [("remove_table", "scheduler_notes")]


@pytest.mark.databases
def test_their_tables_come_and_go_without_ours(engine: sa.Engine, theirs: sa.MetaData, scheduler, fake_clock):
    ran = []

    @scheduler.task
    def note() -> None:
        ran.append(1)

    theirs.drop_all(engine)
    theirs.create_all(engine)
    note.delay()
    fake_clock.run_due()
    assert ran == [1]


@pytest.mark.slow
@pytest.mark.databases
def test_two_alembics_work_on_one_database(request: pytest.FixtureRequest, scheduler_database: str, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    if scheduler_database.startswith("postgresql"):
        url = request.getfixturevalue("postgresql").fresh()
    (tmp_path / "shop.py").write_text(MIGRATES.format(url=url))
    done = subprocess.run(
        [sys.executable, "shop.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    (version,) = (tmp_path / "migrations" / "versions").glob("*.py")
    assert "order" in version.read_text() and "scheduler" not in version.read_text()
    left = done.stdout.rpartition("tables:")[2].split()
    assert sorted({*left} - {"alembic_version"}) == sorted([*tables.metadata.tables, schema.VERSION_TABLE])
    with closing(Database(url)) as database:
        assert database.look(auditing.differences) == []


@pytest.mark.databases
def test_the_commands_pass_over_their_tables(said, engine: sa.Engine, scheduler_database: str, tmp_path: Path):
    options = ("--data", tmp_path, "--database", scheduler_database)
    assert said("db", "check", *options)[0] == 0
    status, out, _ = said("audit", *options)
    assert (status, "every promise is kept" in out) == (0, True)
    if engine.dialect.name == "sqlite":
        assert said("backup", tmp_path / "copy.db", *options)[0] == 0
        copy = sa.create_engine(f"sqlite:///{tmp_path / 'copy.db'}")
        assert sa.inspect(copy).has_table("scheduler_notes")
        copy.dispose()


class Shop:
    """A user's app on a database that it shares with us: `insert` adds a note and a job in one transaction."""

    def __init__(self, folder: Path) -> None:
        self.app = Flask("shop", instance_path=str(folder))
        self.app.config |= {"SQLALCHEMY_DATABASE_URI": "sqlite:///shop.db", "SCHEDULER_DATABASE": "sqlite:///shop.db"}
        self.db, self.scheduler = SQLAlchemy(self.app), Scheduler(self.app)
        self.notes = sa.Table("notes", self.db.metadata, sa.Column("id", sa.Integer, primary_key=True))
        self.nothing = self.scheduler.task(nothing)
        with self.app.app_context():
            self.db.create_all()

    def insert(self) -> str:
        self.db.session.execute(self.notes.insert())
        run = self.nothing.delay(in_transaction=self.db.session)
        self.db.session.commit()
        return run.state

    def close(self) -> None:
        with self.app.app_context():
            self.db.engine.dispose()
        self.scheduler.core.close()


def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with closing(Shop(tmp_path)) as shop:
        yield shop


def test_a_store_that_is_to_be_made_is_refused_within_a_transaction_that_writes_with_what_to_do(shop: Shop):
    told = r"shop\.db does not have our tables yet.*call scheduler\.upgrade\(\)"
    with shop.app.app_context():
        with pytest.raises(StoreUnavailable, match=told):
            shop.insert()
        shop.db.session.rollback()
        shop.scheduler.upgrade()
        assert shop.insert() == "queued"


def test_the_first_view_of_a_new_database_may_add_a_job_in_its_transaction(shop: Shop):
    shop.app.post("/notes")(shop.insert)
    assert shop.app.test_client().post("/notes").text == "queued"


def test_a_request_that_adds_no_job_makes_no_store_where_there_is_no_file(tmp_path: Path):
    app = Flask("shop", instance_path=str(tmp_path / "instance"))
    Scheduler(app)
    app.get("/")(lambda: "here")
    assert app.test_client().get("/").text == "here"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///shop.db", "instance/shop.db"),
        ("sqlite+pysqlite:///data/shop.db", "instance/data/shop.db"),
        ("sqlite:///{folder}/shop.db", "shop.db"),
        (None, "instance/scheduler.db"),
    ],
)
def test_a_relative_path_means_the_file_that_flask_sqlalchemy_means(url: str | None, file: str, tmp_path: Path):
    app = Flask("shop", instance_path=str(tmp_path / "instance"))
    if url is not None:
        url = url.format(folder=tmp_path)
        app.config |= {"SQLALCHEMY_DATABASE_URI": url, "SCHEDULER_DATABASE": url}
        with app.app_context():
            assert SQLAlchemy(app).engine.url.database == str(tmp_path / file)
    assert Scheduler(app).core.database.path == tmp_path / file


def test_a_url_may_be_given_as_an_object(tmp_path: Path):
    app = Flask("shop", instance_path=str(tmp_path))
    app.config["SCHEDULER_DATABASE"] = sa.URL.create("sqlite", database="shop.db")
    assert Scheduler(app).core.database.path == tmp_path / "shop.db"
    app = Flask("shop", instance_path=str(tmp_path))
    app.config["SCHEDULER_DATABASE"] = sa.URL.create("postgresql+psycopg", "me", "s3cret", "host", 5432, "shop")
    assert Scheduler(app).core.database.url.password == "s3cret"


def test_a_url_in_memory_is_refused(tmp_path: Path):
    app = Flask("shop", instance_path=str(tmp_path))
    app.config["SCHEDULER_DATABASE"] = "sqlite://"
    with pytest.raises(ConfigurationError, match="a store in SQLite is a file"):
        Scheduler(app)


@pytest.mark.postgresql
@pytest.mark.databases
def test_on_postgresql_a_store_is_made_beside_a_transaction_that_writes(scheduler_database: str, postgresql, tmp_path):
    url = postgresql.fresh()
    app = Flask("shop", instance_path=str(tmp_path))
    app.config["SCHEDULER_DATABASE"] = url
    scheduler = Scheduler(app)

    @scheduler.task
    def nothing() -> None: ...

    engine = sa.create_engine(url, isolation_level="SERIALIZABLE")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id integer)")
        run = nothing.delay(in_transaction=connection)
        connection.commit()
    assert run.state == "queued"
    engine.dispose()
    scheduler.core.close()
