"""A drained engine: it fires and finishes what it has, takes no new runs, and goes on when it is resumed."""

from scheduler_app.services import engines as asking
from scheduler_app.store import engines


def test_a_drained_engine_fires_and_takes_no_new_runs_until_it_is_resumed(scheduler, fake_clock, watch, nothing):
    core = scheduler.core
    nothing.every(minutes=1, id="minutely")
    fake_clock.run_due()
    engine = core.engine
    asking.drain_engine(engine.id, ctx=core.ctx)
    engine.rescuer.poll()

    fake_clock.advance(minutes=2)

    assert watch.story("minutely") == ["queued @1", "scheduled @2 blocked"]
    asking.resume_engine(engine.id, ctx=core.ctx)
    engine.rescuer.poll()
    fake_clock.run_due()
    assert watch.story("minutely") == ["succeeded @1", "succeeded @2"]


def test_an_engine_that_was_held_for_dead_is_drained_as_before(scheduler, fake_clock, nothing):
    core, engine = scheduler.core, scheduler.core.engine
    fake_clock.run_due()
    before = engine.id
    asking.drain_engine(before, ctx=core.ctx)
    engine.rescuer.poll()
    core.database.write(lambda tx: engines.declare_dead(tx, before, beat=1))
    engine.heartbeat.poll()
    run = nothing.delay()
    fake_clock.run_due()
    with core.database.read() as tx:
        row = engines.get(tx, engine.id)
    assert (engine.id != before, row.state, row.drained_at is not None, run.state) == (True, "draining", True, "queued")
