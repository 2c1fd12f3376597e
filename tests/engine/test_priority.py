"""Priority and the claims made ahead: who matters more never waits for what was only taken early."""

from datetime import timedelta

import pytest

from scheduler_app.services import runs
from scheduler_app.services import scheduler as scheduling
from scheduler_app.testing.clock import START


@pytest.fixture
def engine(engine_at_hand):
    """An engine of two slots that takes quick tasks ahead, and starts none of them."""
    return engine_at_hand()


def states(scheduler, *names: str) -> list[str]:
    ctx = scheduler.core.ctx
    return [str(runs.get_run(scheduler.get_job(name).last_run.id, ctx=ctx).state) for name in names]


def test_what_was_claimed_ahead_is_given_back_uncharged_when_higher_priority_waits(
    scheduler, fake_clock, engine, nothing
):
    low = [f"low{number}" for number in range(6)]
    for name in low:
        scheduler.add_job(name, nothing)
    engine.passes.poll()
    assert states(scheduler, *low) == ["running"] * 6
    fake_clock._set(START + timedelta(seconds=0.5))
    for name in ("high0", "high1", "high2"):
        scheduler.add_job(name, nothing, priority=10)
    engine.passes.poll()
    assert states(scheduler, "high0", "high1", "high2") == ["running"] * 3
    assert [claim.claim.priority for claim in engine.pool.held()][:3] == [10, 10, 10]
    again = [runs.get_run(scheduler.get_job(name).last_run.id, ctx=scheduler.core.ctx) for name in low]
    assert [run.attempt for run in again] == [int(run.state == "running") for run in again]


class Undone(Exception):
    """Another write of the same transaction failed."""


def test_what_was_given_back_stays_so_when_the_write_is_undone_and_called_again(
    scheduler, fake_clock, engine, nothing, monkeypatch
):
    low = [f"low{number}" for number in range(6)]
    for name in low:
        scheduler.add_job(name, nothing)
    engine.passes.poll()
    fake_clock._set(START + timedelta(seconds=0.5))
    high = [f"high{number}" for number in range(3)]
    for name in high:
        scheduler.add_job(name, nothing, priority=10)
    write = scheduler.core.database.write

    def write_twice(work):
        def undo(tx):
            work(tx)
            raise Undone

        with pytest.raises(Undone):
            write(undo)
        return write(work)

    monkeypatch.setattr(scheduler.core.database, "write", write_twice)
    engine.passes.poll()
    started = {claim.claim.run_id for claim in engine.pool.held()}
    running = {
        scheduler.get_job(name).last_run.id
        for name, state in zip(low + high, states(scheduler, *low, *high), strict=True)
        if state == "running"
    }
    assert running == started
    assert states(scheduler, *high) == ["running"] * 3


def test_what_has_the_same_priority_or_more_is_left_where_it_is(scheduler, fake_clock, engine, nothing):
    scheduler.add_job("first", nothing, priority=5)
    engine.passes.poll()
    held = engine.pool.held()
    scheduler.add_job("second", nothing, priority=5), scheduler.add_job("third", nothing, priority=-5)
    engine.passes.poll()
    assert engine.pool.held()[:1] == held


def test_at_most_once_is_never_claimed_ahead_of_a_free_slot(scheduler, fake_clock, engine, nothing):
    names = [f"job{number}" for number in range(6)]
    for name in names:
        scheduler.add_job(name, nothing, delivery="at_most_once")
    engine.passes.poll()
    assert states(scheduler, *names) == ["running"] * 2 + ["queued"] * 4


def test_what_was_claimed_and_has_not_started_is_given_back_when_everything_is_paused(
    scheduler, fake_clock, engine, nothing
):
    scheduler.add_job("job", nothing)
    engine.passes.poll()
    assert states(scheduler, "job") == ["running"]
    scheduling.pause_scheduler(reason=None, ctx=scheduler.core.ctx)
    engine.passes.poll()
    assert states(scheduler, "job") == ["queued"]


def test_nothing_fires_when_the_pause_comes_between_the_look_and_the_write(
    scheduler, fake_clock, engine, nothing, monkeypatch
):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    fake_clock._set(START + timedelta(minutes=1))
    write = engine.passes._write

    def pause_first(tx, agenda):
        scheduling.pause_in(tx, reason=None, by="code", now=fake_clock.now())
        write(tx, agenda)

    monkeypatch.setattr(engine.passes, "_write", pause_first)
    engine.passes.poll()
    assert scheduler.get_job("job").last_run is None
