"""Rescue: what becomes of the runs of an engine that has died."""

import os
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from scheduler_app.services import jobs, runs
from scheduler_app.store import claims, engines
from scheduler_app.store.engines import Beat
from scheduler_app.store.identity import Identity, is_gone
from scheduler_app.store.tables import runs as run_table

GONE = {"pid": 2**22 - 1, "process_start": "1"}


CONTAINER = f"{Identity.of_this_process().host.partition('/')[0]}/of another container"


def other_engine(scheduler, **identity) -> int:
    """Add the row of another engine; by default it is of another container on this host and beats no more."""
    values = Identity.of_this_process().values() | {"host": CONTAINER} | identity
    core = scheduler.core
    return core.database.write(
        lambda tx: engines.register(tx, values, tasks=["nothing"], slots=10, now=core.clock.now())
    )


def claimed_by(scheduler, engine: int, *, alone: bool = False) -> None:
    """Let an engine claim everything that is queued."""

    def work(tx):
        rows = claims.candidates(tx, ["nothing"], executor="thread", limit=10)
        claims.take(tx, rows, engine=engine, token=1, alone=alone, now=scheduler.core.clock.now())

    scheduler.core.database.write(work)


def test_an_engine_of_this_host_is_dead_as_soon_as_its_process_is_gone(scheduler, fake_clock, nothing):
    run = nothing.delay()
    claimed_by(scheduler, other_engine(scheduler, host=Identity.of_this_process().host, **GONE))
    assert run.state == "running"
    fake_clock.advance(seconds=10)
    fake_clock.run_due()
    assert (run.state, run.run.attempt, run.run.crashes) == ("succeeded", 2, 1)
    assert [one.state for one in runs.earlier_attempts(run.run, ctx=scheduler.core.ctx)] == ["crashed"]


def test_a_process_is_told_by_its_start_time_since_pids_are_used_again():
    own = Identity.of_this_process()
    assert not is_gone(own.pid, own.process_start)
    assert is_gone(own.pid, "another start")
    assert not is_gone(own.parent_pid, own.parent_start)
    assert own.parent_pid == os.getppid()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the names of processes in this way")
def test_a_process_may_have_any_bytes_for_a_name():
    with Path("/proc/self/comm").open("r+b", buffering=0) as comm:
        before = comm.read()
        comm.write(b"caf\xc3) Z 1")  # cut inside a letter, as names longer than 15 bytes are
        own = Identity.of_this_process()
        assert not is_gone(own.pid, own.process_start)
        comm.write(before.strip())


def test_an_engine_elsewhere_is_dead_after_its_beat_stood_still_for_thirty_seconds(scheduler, fake_clock, nothing):
    run = nothing.delay()
    engine = other_engine(scheduler)
    claimed_by(scheduler, engine)
    rescuer = scheduler.core.engine.rescuer
    fake_clock.run_due()
    for _ in range(29):
        rescuer.poll()
        fake_clock._shift(1)
    assert run.state == "running"
    for _ in range(3):
        rescuer.poll()
        fake_clock._shift(1)
    assert run.state == "queued"


def test_a_clock_step_makes_no_engine_look_dead(scheduler, fake_clock, nothing):
    run = nothing.delay()
    claimed_by(scheduler, other_engine(scheduler))
    rescuer = scheduler.core.engine.rescuer
    fake_clock.run_due()
    rescuer.poll()
    fake_clock._shift(86_400)
    rescuer.poll()
    assert run.state == "running", "one look a day later counts for two seconds"


def test_an_engine_that_beats_is_alive(scheduler, fake_clock, nothing):
    run = nothing.delay()
    engine = other_engine(scheduler)
    claimed_by(scheduler, engine)
    core = scheduler.core
    fake_clock.run_due()
    for _ in range(100):
        core.engine.rescuer.poll()
        fake_clock._shift(1)
        core.database.write(lambda tx: engines.raise_beat(tx, engine, Beat(tasks=[], passed_at=None), fake_clock.now()))
    assert run.state == "running"


def test_an_at_most_once_run_of_a_dead_engine_is_lost(scheduler, fake_clock, nothing, watch):
    scheduler.add_job("job", nothing, delivery="at_most_once")
    claimed_by(scheduler, other_engine(scheduler, host=Identity.of_this_process().host, **GONE))
    fake_clock.advance(seconds=10)
    fake_clock.run_due()
    assert watch.story("job") == ["lost @0 crashed"]


def crash_alone(scheduler, fake_clock, run, **identity) -> None:
    """Let the engine that executes a run alone die, and be rescued."""
    claimed_by(scheduler, other_engine(scheduler, host=Identity.of_this_process().host, **GONE, **identity), alone=True)
    assert run.state == "running"
    fake_clock._shift(1)
    scheduler.core.engine.rescuer.poll()


def test_a_run_that_kills_its_engine_three_times_while_alone_has_failed(scheduler, fake_clock, nothing):
    run = nothing.delay()
    for _ in range(2):
        crash_alone(scheduler, fake_clock, run)
        assert run.state == "queued"
    crash_alone(scheduler, fake_clock, run)
    assert (run.state, run.run.error.type) == ("failed", "EngineDied")


def test_a_run_is_not_blamed_for_its_whole_service_being_killed(scheduler, fake_clock, nothing):
    run = nothing.delay()
    for _ in range(5):
        crash_alone(scheduler, fake_clock, run, parent_pid=2**22 - 2, parent_start="1")
        assert run.state == "queued"
    with scheduler.core.database.read() as tx:
        row = tx.execute(sa.select(run_table).where(run_table.c.id == run.id)).one()
    assert (row.crashes, row.suspicions, row.crashes_alone) == (5, 0, 0)


def test_a_container_whose_first_process_is_the_engine_has_nothing_above_it_that_could_die(
    scheduler, fake_clock, nothing
):
    run = nothing.delay()
    for _ in range(3):
        crash_alone(scheduler, fake_clock, run, parent_pid=0, parent_start="unknown")
    assert (run.state, run.run.error.type) == ("failed", "EngineDied")


def test_nobody_is_blameless_for_ever(scheduler, fake_clock, nothing):
    run = nothing.delay()
    for _ in range(20):
        if run.state != "queued":
            break
        crash_alone(scheduler, fake_clock, run, parent_pid=2**22 - 2, parent_start="1")
    assert (run.state, run.run.crashes) == ("failed", 13)


def test_crashes_do_not_use_up_the_retries(scheduler, fake_clock):
    @scheduler.task(name="nothing", max_retries=1, retry_delay=1)
    def fail() -> None:
        raise ValueError

    run = fail.delay()
    crash_alone(scheduler, fake_clock, run, parent_pid=2**22 - 2, parent_start="1")
    fake_clock.advance(seconds=10)
    assert (run.state, run.run.attempt, run.run.crashes) == ("failed", 3, 1)


def test_a_late_finish_is_refused_and_counted(scheduler, fake_clock):
    core = scheduler.core

    @scheduler.task
    def taken_away() -> str:
        core.engine.heartbeat.poll()
        identity = Identity.of_this_process().values()
        core.database.write(
            lambda tx: tx.execute(
                sa.update(run_table).values(
                    state="running",
                    token=99,
                    engine=engines.register(
                        tx, identity | {"host": CONTAINER}, tasks=[], slots=1, now=core.clock.now()
                    ),
                )
            )
        )
        return "too late"

    run = taken_away.delay()
    fake_clock.run_due()
    assert (run.state, run.result) == ("running", None)
    with core.database.read() as tx:
        assert tx.execute(sa.select(run_table.c.late_results)).scalar_one() == 1


def test_a_run_that_waits_when_its_job_is_deleted_is_not_rescued_into_life(scheduler, fake_clock, nothing, watch):
    scheduler.add_job("job", nothing, trigger="interval", minutes=1)
    jobs.run_job("job", ctx=scheduler.core.ctx)
    scheduler.remove_job("job")
    fake_clock.advance(minutes=2)
    assert watch.story("job") == ["cancelled @0 job_deleted"]


def beat(scheduler, engine: int) -> None:
    core = scheduler.core
    core.database.write(
        lambda tx: engines.raise_beat(tx, engine, Beat(tasks=["nothing"], passed_at=None), core.clock.now())
    )


@pytest.mark.sqlite
def test_a_second_host_on_one_file_does_nothing_and_says_so(scheduler, fake_clock, nothing):
    first = other_engine(scheduler, host="another boot/of its own", node="first")
    run = nothing.delay()
    for _ in range(4):
        beat(scheduler, first)
        fake_clock.advance(seconds=10)
    fake_clock.run_due()
    assert run.state == "queued"
    said = str(scheduler.core.engine.rescuer.hindrance)
    assert said == (
        "an SQLite file serves one host, use PostgreSQL for several; "
        f"engine {first} on host first works on this one: stop one of the two"
    )


def test_it_begins_when_the_first_host_has_stopped(scheduler, fake_clock, nothing):
    first = other_engine(scheduler, host="another boot/of its own")
    run = nothing.delay()
    for _ in range(2):
        beat(scheduler, first)
        fake_clock.advance(seconds=10)
    scheduler.core.database.write(lambda tx: engines.set_state(tx, first, engines.EngineState.STOPPED))
    fake_clock.advance(seconds=2)
    fake_clock.run_due()
    assert run.state == "succeeded"


@pytest.mark.sqlite
def test_a_row_from_before_a_crash_of_the_machine_delays_the_first_pass_by_one_beat_only(
    scheduler, fake_clock, nothing
):
    other_engine(scheduler, host="the boot before/of its own")
    run = nothing.delay()
    fake_clock.run_due()
    assert run.state == "queued", "the other one may be alive"
    for _ in range(15):
        scheduler.core.engine.rescuer.poll()
        fake_clock._shift(1)
    fake_clock.run_due()
    assert run.state == "succeeded"


def test_the_first_host_goes_on_when_a_second_one_comes(scheduler, fake_clock, nothing):
    fake_clock.run_due()
    second = other_engine(scheduler, host="another boot/of its own")
    for _ in range(3):
        beat(scheduler, second)
        fake_clock.advance(seconds=10)
    run = nothing.delay()
    fake_clock.run_due()
    assert run.state == "succeeded"
