"""An engine that finds another host's at work on its SQLite file changes nothing there but its own row."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.store import engines, facts
from scheduler_app.store.identity import Identity
from tests.engine.test_rescue import GONE, beat, claimed_by, other_engine
from tests.extension.conftest import until

ELSEWHERE = "another boot/of its own"
OWN = ('INSERT INTO "scheduler_engines"', 'INSERT INTO "sqlite_sequence"', 'DELETE FROM "sqlite_sequence"')


def tick() -> None:
    pass


def content_of(path: Path) -> list[str]:
    """Everything in a store but the rows of engines."""
    with closing(sqlite3.connect(path)) as store:
        return [line for line in store.iterdump() if not line.startswith(OWN)]


@pytest.mark.sqlite
def test_it_neither_declares_nor_follows_nor_rescues_nor_adopts_zone_rules(scheduler, fake_clock, nothing):
    first = other_engine(scheduler, host=ELSEWHERE)
    dead = other_engine(scheduler, host=Identity.of_this_process().host, **GONE)
    run = nothing.delay()
    claimed_by(scheduler, dead)
    scheduler.task("interval", id="declared", minutes=1)(nothing)
    before = content_of(scheduler.core.database.path)
    for _ in range(4):
        beat(scheduler, first)
        fake_clock.advance(seconds=10)
    fake_clock.advance(hours=2)
    assert content_of(scheduler.core.database.path) == before
    assert run.state == "running"


def test_it_does_all_of_that_when_the_other_has_stopped(scheduler, fake_clock, nothing):
    first = other_engine(scheduler, host=ELSEWHERE)
    dead = other_engine(scheduler, host=Identity.of_this_process().host, **GONE)
    run = nothing.delay()
    claimed_by(scheduler, dead)
    scheduler.task("interval", id="declared", minutes=1)(nothing)
    fake_clock.advance(seconds=10)
    scheduler.core.database.write(lambda tx: engines.set_state(tx, first, engines.EngineState.STOPPED))
    fake_clock.advance(hours=1)
    fake_clock.advance(minutes=2)
    assert (run.state, run.run.crashes) == ("succeeded", 1)
    assert scheduler.get_job("declared") is not None
    with scheduler.core.database.read() as tx:
        assert facts.get(tx, "tzdata") is not None


def test_it_takes_over_when_the_other_has_died(scheduler, fake_clock, nothing):
    first = other_engine(scheduler, host=ELSEWHERE)
    run = nothing.delay()
    claimed_by(scheduler, first)
    rescuer = scheduler.core.engine.rescuer
    fake_clock.run_due()
    rescuer.poll()
    beat(scheduler, first)
    for second in range(40):
        rescuer.poll()
        assert (run.state == "running") == (second < 30), second
        fake_clock._shift(1)
    fake_clock.run_due()
    assert (run.state, run.run.crashes) == ("succeeded", 1)


def test_its_threads_leave_the_store_as_it_is(tmp_path: Path):
    app = Flask(__name__, instance_path=str(tmp_path))
    scheduler = Scheduler(app)
    scheduler.task("interval", id="declared", seconds=1)(tick)
    core = scheduler.core
    first = Identity.of_this_process().values() | {"host": ELSEWHERE}
    core.database.write(lambda tx: engines.register(tx, first, tasks=[], slots=1, now=datetime.now(UTC)))
    before = content_of(core.database.path)
    scheduler.start()
    until(lambda: {name for name, state in core.engine.checks().items() if state is not True} == {"engine"})
    assert "waiting to see" in str(core.engine.checks()["engine"])
    assert content_of(core.database.path) == before
    scheduler.shutdown()
    core.close()
