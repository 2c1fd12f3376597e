"""Runs that may have killed their engine: of several engines one is kept for them, the others go on."""

import pytest

from scheduler_app.store.tables import runs
from tests.engine.test_rescue import claimed_by, other_engine


@pytest.fixture
def suspects(scheduler, fake_clock, nothing):
    """Two runs that were in one crash; another engine executes the first, alone."""
    first = nothing.delay()
    mark(scheduler, first, suspicions=1)
    claimed_by(scheduler, other_engine(scheduler), alone=True)
    second = nothing.delay()
    mark(scheduler, second, suspicions=1)
    return first, second


def mark(scheduler, run, **values) -> None:
    scheduler.core.database.write(lambda tx: tx.execute(runs.update().where(runs.c.id == run.id).values(**values)))


def test_while_one_engine_is_kept_for_a_suspect_the_others_take_what_is_not_one(
    scheduler, fake_clock, nothing, suspects
):
    _, second = suspects
    innocent = [nothing.delay() for _ in range(30)]
    fake_clock.run_due()
    assert {run.state for run in innocent} == {"succeeded"}
    assert second.state == "queued"
    fake_clock.advance(seconds=3)
    fake_clock.run_due()
    assert second.state == "succeeded", "nobody waits for long"


def test_a_suspect_is_executed_alone_where_no_other_engine_is_kept(scheduler, fake_clock, suspects):
    first, second = suspects
    mark(scheduler, first, alone=False)
    fake_clock.run_due()
    assert second.state == "succeeded"


def test_who_insists_on_being_alone_waits_for_the_one_that_is(scheduler, fake_clock, nothing, suspects):
    first, second = suspects
    mark(scheduler, first, suspicions=3)
    mark(scheduler, second, suspicions=3)
    fake_clock.advance(seconds=20)
    innocent = nothing.delay()
    fake_clock.run_due()
    assert (first.state, second.state, innocent.state) == ("running", "queued", "succeeded")
