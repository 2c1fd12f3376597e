"""Broken jobs: whatever somebody wrote into a row, the job is kept, shown with the reason, and mended by a change."""

import pytest
import sqlalchemy as sa

from scheduler_app.domain.job import JobState
from scheduler_app.errors import Conflict
from scheduler_app.services import jobs
from scheduler_app.services.changes import JobChanges
from scheduler_app.store.tables import jobs as job_table

DEEP = "[" * 100_000


@pytest.fixture
def ctx(scheduler):
    return scheduler.core.ctx


@pytest.fixture
def greet(scheduler):
    @scheduler.task
    def greet(name: str = "you") -> str:
        return f"hello {name}"

    return greet


@pytest.fixture
def damage(scheduler):
    """Write something into the row of the job, past the package."""

    def write(**values) -> None:
        columns = ", ".join(f"{name} = :{name}" for name in values)
        statement = sa.text(f"UPDATE scheduler_jobs SET {columns} WHERE id = 'job'")
        scheduler.core.database.write(lambda tx: tx.execute(statement, values))

    return write


@pytest.fixture
def column(scheduler):
    """Read a column of the job's row as it is kept."""

    def read(name: str):
        with scheduler.core.database.read() as tx:
            return tx.execute(sa.select(job_table.c[name]).where(job_table.c.id == "job")).scalar_one()

    return read


def patch(ctx, fields=None, **policies):
    return jobs.change_job("job", JobChanges(fields=fields or {}, policies=policies), ctx=ctx)


def untyped(**values):
    """What only SQLite lets somebody write into such a column."""
    return pytest.param(values, marks=pytest.mark.sqlite, id=f"{next(iter(values.items()))}")


GARBAGE = [
    {"args": "not json"},
    {"args": "{}"},
    {"kwargs": "[1]"},
    {"kwargs": DEEP},
    {"kwargs": b"\x00\xff"},
    {"trigger": "{"},
    {"trigger": "5"},
    {"trigger": '{"type": "nonsense"}'},
    {"overrides": '{"no_such_policy": 1}'},
    {"overrides": "null"},
    {"tags": "not json"},
    {"tags": "[5]"},
    {"overlap": "nonsense"},
    {"priority": 100_000},
    untyped(max_instances="many"),
    untyped(misfire_grace_time="soon"),
    {"retry_backoff": -1.0},
    {"state": "nonsense"},
    untyped(next_run_time="tomorrow"),
    {"next_run_time": 9_000_000_000_000_000_000},
    untyped(paused_until="never"),
    untyped(skip_count="all"),
    untyped(version="new"),
    untyped(created_at="long ago"),
    {"updated_at": 2**62},
]


@pytest.mark.parametrize("values", GARBAGE, ids=lambda values: f"{next(iter(values.items()))}"[:40])
def test_garbage_in_any_column_breaks_its_own_job_only_and_is_shown(
    scheduler, fake_clock, watch, greet, damage, values
):
    for name in ("good", "job"):
        scheduler.add_job(name, greet, trigger="interval", minutes=1)
    damage(**values)
    fake_clock.advance(minutes=2)
    assert watch.story("good") == ["succeeded @1", "succeeded @2"]
    broken = watch.job("job")
    assert broken.state is JobState.BROKEN
    assert "cannot be" in (broken.reason or "")
    assert [job.id for job in scheduler.get_jobs()] == ["good", "job"]


@pytest.mark.parametrize("values", GARBAGE, ids=lambda values: f"{next(iter(values.items()))}"[:40])
def test_a_job_with_garbage_in_any_column_is_mended_by_a_change_of_that(
    scheduler, fake_clock, watch, greet, damage, ctx, values
):
    scheduler.add_job("job", greet, trigger="interval", minutes=1, max_retries=2, tags=["red"])
    damage(**values)
    fake_clock.advance(minutes=2)
    fields = {"args": {"args": []}, "kwargs": {"kwargs": {"name": "A"}}}
    trigger = {"trigger": {"type": "interval", "minutes": 1}}
    mended = patch(ctx, fields.get(next(iter(values)), trigger if "trigger" in values else {}), priority=1)
    assert (mended.state, mended.reason) == (JobState.ACTIVE, None)
    assert (mended.policies.max_retries, mended.policies.tags, mended.policies.priority) == (2, ("red",), 1)
    fake_clock.advance(minutes=2)
    assert watch.story("job")[-1].startswith("succeeded")
    assert watch.job("job").state is JobState.ACTIVE


def test_a_change_of_something_else_keeps_what_cannot_be_read_as_it_is(
    scheduler, fake_clock, greet, damage, column, ctx
):
    scheduler.add_job("job", greet, trigger="interval", minutes=1)
    damage(kwargs="half a", args="[]")
    still = patch(ctx, {"name": "new name"})
    assert (still.state, still.name) == (JobState.BROKEN, "new name")
    assert "kwargs" in (still.reason or "")
    assert (column("kwargs"), column("state")) == ("half a", "broken")


def test_what_a_broken_job_would_have_fired_is_recorded_when_it_is_mended(
    scheduler, fake_clock, watch, greet, damage, ctx
):
    scheduler.add_job("job", greet, trigger="interval", minutes=1)
    fake_clock.advance(minutes=1)
    damage(kwargs="garbage")
    fake_clock.advance(minutes=3)
    patch(ctx, {"kwargs": {"name": "again"}})
    fake_clock.advance(minutes=1)
    assert watch.story("job") == ["succeeded @1", "missed @2-4 x3 broken", "succeeded @5"]


def test_a_broken_trigger_is_mended_by_a_new_one_and_by_nothing_else(scheduler, fake_clock, watch, greet, damage, ctx):
    scheduler.add_job("job", greet, trigger="interval", minutes=1)
    damage(trigger='{"type": "interval", "minutes": -5}')
    fake_clock.advance(minutes=1)
    assert patch(ctx, {"name": "other"}).state is JobState.BROKEN
    assert patch(ctx, {"trigger": {"type": "interval", "minutes": 2}}).state is JobState.ACTIVE
    fake_clock.advance(minutes=2)
    assert watch.story("job") == ["succeeded @3"]


def test_a_broken_job_cannot_be_paused_resumed_or_skipped_and_can_be_deleted(scheduler, fake_clock, greet, damage, ctx):
    scheduler.add_job("job", greet, trigger="interval", minutes=1)
    damage(overlap="nonsense")
    for call in (
        lambda: jobs.pause_job("job", reason=None, ctx=ctx),
        lambda: jobs.resume_job("job", ctx=ctx),
        lambda: jobs.skip_firings("job", 1, ctx=ctx),
    ):
        with pytest.raises(Conflict, match="broken"):
            call()
    jobs.delete_job("job", ctx=ctx)
    assert scheduler.get_jobs() == []


def test_a_run_by_hand_of_arguments_that_cannot_be_read_is_refused_and_runs_with_others(
    scheduler, fake_clock, greet, damage, ctx
):
    scheduler.add_job("job", greet, trigger="interval", minutes=1)
    damage(kwargs="garbage")
    with pytest.raises(Conflict, match="kwargs"):
        jobs.run_job("job", ctx=ctx)
    assert jobs.run_job("job", kwargs={"name": "Ada"}, ctx=ctx).kwargs == {"name": "Ada"}
