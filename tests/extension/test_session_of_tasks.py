"""The session that a task finds is its own, and goes with its app context: it leaks no connection."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from scheduler_app import Scheduler
from scheduler_app.store.tables import runs
from tests.extension.conftest import until

TASKS = 1000


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask("shop", instance_path=str(tmp_path))
    app.config |= {"SQLALCHEMY_DATABASE_URI": "sqlite:///shop.db", "SCHEDULER_DATABASE": "sqlite:///shop.db"}
    return app


@pytest.fixture
def db(app: Flask) -> Iterator[SQLAlchemy]:
    db = SQLAlchemy(app)
    sa.Table("notes", db.metadata, sa.Column("id", sa.Integer, primary_key=True))
    with app.app_context():
        db.create_all()
        yield db
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def scheduler(app: Flask) -> Iterator[Scheduler]:
    scheduler = Scheduler(app)
    scheduler.upgrade()
    yield scheduler
    scheduler.shutdown()
    scheduler.core.close()


@pytest.mark.slow
def test_a_thousand_tasks_leave_no_connection_behind(db: SQLAlchemy, scheduler: Scheduler):
    notes = db.metadata.tables["notes"]

    @scheduler.task
    def read(number: int) -> None:
        db.session.execute(sa.select(notes)).first()
        if number % 50 == 0:
            db.session.execute(notes.insert())
            raise ValueError("with a transaction that writes")

    @scheduler.task
    async def wait(number: int) -> None:
        db.session.execute(sa.select(notes)).first()
        await asyncio.sleep(0)
        db.session.execute(sa.select(notes)).first()

    for number in range(TASKS // 2):
        read.delay(number, in_transaction=db.session)
        wait.delay(number, in_transaction=db.session)
    db.session.commit()
    scheduler.start()
    query = sa.select(runs.c.state, sa.func.count()).group_by(runs.c.state)
    until(lambda: dict(db.session.execute(query).all()) == {"succeeded": TASKS - 10, "failed": 10})
    db.session.commit()
    assert db.engine.pool.checkedout() == 0
    assert db.session.execute(sa.select(notes)).all() == []
