"""The audit judges a job that comes after another one by that one's ends: each fired it once, and nothing else did."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduler_app.services import jobs
from scheduler_app.services import scheduler as scheduling
from scheduler_app.services.audit import audit
from scheduler_app.store import pruning
from scheduler_app.testing.clock import START

pytestmark = pytest.mark.databases
CHILD = "job_id = 'child' AND id = (SELECT max(id) FROM scheduler_runs WHERE job_id = 'child')"
COPIED = (
    "job_key, job_id, task, args, kwargs, origin, state, ready_at, max_attempts, priority, delivery, executor, attempt,"
    " started_at, finished_at, parent_run"
)


@pytest.fixture
def audited(scheduler, fake_clock):
    """Audit the store of the test, at the simulated time."""
    return lambda: [
        f"{breach.promise} {breach.job} {breach.run}: {breach.found}"
        for breach in scheduler.core.database.look(lambda tx: audit(tx, fake_clock.now())).breaches
    ]


@pytest.fixture
def chained(scheduler, fake_clock):
    """Three hours of an hourly job that fails in the second, and of the jobs after its successes and its failures."""
    outcomes = iter([True, False, True, *[True] * 100])

    @scheduler.task
    def nothing() -> None:
        pass

    @scheduler.task
    def at_times() -> None:
        if not next(outcomes):
            raise ValueError("no")

    scheduler.add_job("parent", at_times, trigger="interval", hours=1)
    scheduler.add_job("child", nothing, trigger="after", job="parent")
    scheduler.add_job("alarm", nothing, trigger="after", job="parent", on="failure")
    scheduler.add_job("last", nothing, trigger="after", job="child", on="finish")
    fake_clock.advance(hours=3)
    return scheduler


def do(scheduler, *statements: str) -> None:
    for statement in statements:
        assert scheduler.core.database.write(lambda tx, sql=statement: tx.execute(sa.text(sql)).rowcount)


def test_a_chain_that_ran_has_no_breach(chained, fake_clock, audited):
    assert audited() == []
    ctx = chained.core.ctx
    jobs.pause_job("child", reason=None, ctx=ctx)
    jobs.skip_firings("last", 1, ctx=ctx)
    fake_clock.advance(hours=2)
    jobs.resume_job("child", ctx=ctx)
    fake_clock.jump(hours=3)
    scheduling.pause_scheduler(reason=None, ctx=ctx)
    fake_clock.advance(hours=2)
    scheduling.resume_scheduler(ctx=ctx)
    chained.remove_job("parent")
    fake_clock.advance(hours=2)
    assert audited() == []


def test_what_was_pruned_of_a_follower_is_no_breach(chained, audited):
    database = chained.core.database
    ids = database.look(lambda tx: [row.id for row in tx.execute(sa.text("SELECT id FROM scheduler_runs"))])
    assert database.write(lambda tx: pruning.prune(tx, ids)).runs > 0
    assert {
        row.state for row in database.look(lambda tx: tx.execute(sa.text("SELECT state FROM scheduler_jobs")).all())
    } == {"active"}
    assert audited() == []


DAMAGES = {
    "a firing was lost": (
        f"DELETE FROM scheduler_runs WHERE {CHILD}",
        "2 child None: 1 lost: nothing is recorded for run",
    ),
    "an alarm was lost": (
        "DELETE FROM scheduler_runs WHERE job_id = 'alarm'",
        "2 alarm None: 1 lost: nothing is recorded for run",
    ),
    "a firing was doubled": (
        f"INSERT INTO scheduler_runs (scheduled_at, {COPIED}) SELECT scheduled_at + 1, {COPIED} FROM scheduler_runs"
        f" WHERE {CHILD}",
        ": fired 2 times by run",
    ),
    "a firing that no run caused": (
        f"UPDATE scheduler_runs SET parent_run = NULL WHERE {CHILD}",
        ": fired, though no run ended that it comes after",
    ),
    "a firing that another end caused": (
        "UPDATE scheduler_runs SET state = 'failed', error_type = 'E', error_message = 'm' WHERE job_id = 'parent'",
        "which failed: it does not come after that",
    ),
    "a firing at another time": (
        f"UPDATE scheduler_runs SET scheduled_at = scheduled_at + 60000000 WHERE {CHILD}",
        "of parent, which succeeded: it does not come after that",
    ),
    "a run caused by a later one": (
        f"UPDATE scheduler_runs SET parent_run = id + 1 WHERE {CHILD}",
        ": caused by a run that came later: run",
    ),
    "a finished follower": (
        "UPDATE scheduler_jobs SET state = 'finished' WHERE id = 'child'",
        "2 child None: it comes after runs, but it is finished, or has a time: finished",
    ),
    "a follower that nothing fires": (
        "UPDATE scheduler_jobs SET after_job = NULL WHERE id = 'child'",
        "2 child None: what it comes after is not what its trigger says: nothing",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_named(chained, audited, name):
    statement, words = DAMAGES[name]
    do(chained, statement)
    breaches = audited()
    assert any(words in breach for breach in breaches), breaches


def test_an_end_within_a_minute_of_a_change_is_held_against_nobody(chained, fake_clock, audited):
    """The change may have been read before the end, and written after it."""
    fake_clock.jump(minutes=59, seconds=30)
    jobs.skip_firings("child", 0, ctx=chained.core.ctx)
    jobs.pause_job("child", reason=None, ctx=chained.core.ctx)
    jobs.resume_job("child", ctx=chained.core.ctx)
    fake_clock.advance(seconds=30)
    do(chained, f"DELETE FROM scheduler_runs WHERE {CHILD}")
    assert [breach for breach in audited() if " child " in breach] == []
    assert timedelta(hours=4) == fake_clock.now() - START
