"""`after`: the end of a run fires what comes after its job, once, with the run that caused it at hand."""

from datetime import timedelta

import pytest

from scheduler_app import current_run
from scheduler_app.domain.job import JobState
from scheduler_app.domain.run import ParentRun, Reason, RunState
from scheduler_app.engine.execution import executing
from scheduler_app.services import jobs, retrying, runs
from scheduler_app.services.changes import JobChanges
from scheduler_app.store import claims, following, pruning, rescues, tables
from scheduler_app.store.following import End
from scheduler_app.testing.clock import START
from tests.engine.test_rescue import other_engine


@pytest.fixture
def ctx(scheduler):
    return scheduler.core.ctx


@pytest.fixture
def seen():
    """What the tasks saw of the runs that caused them, in their order."""
    return []


@pytest.fixture
def look(scheduler, seen):
    @scheduler.task
    def look() -> str:
        seen.append((current_run.job_id, current_run.parent))
        return current_run.job_id

    return look


@pytest.fixture
def extract(scheduler, nothing):
    """A job that does nothing each minute."""
    return scheduler.add_job("extract", nothing, trigger="interval", minutes=1)


def test_a_chain_runs_in_order_at_simulated_time_each_with_the_run_before_it(scheduler, fake_clock, watch, look, seen):
    scheduler.add_job("extract", look, trigger="interval", minutes=1)
    scheduler.add_job("transform", look, trigger="after", job="extract", on="success")
    scheduler.add_job("report", look, trigger={"type": "after", "job": "transform"})
    fake_clock.advance(minutes=2)
    assert [job_id for job_id, _ in seen] == ["extract", "transform", "report"] * 2
    assert [watch.story(job_id) for job_id in ("transform", "report")] == [["succeeded @1", "succeeded @2"]] * 2
    first = watch.runs("extract")[0]
    assert seen[0][1] is None
    assert seen[1][1] == ParentRun(
        id=first.id,
        job_id="extract",
        state=RunState.SUCCEEDED,
        attempt=1,
        scheduled_at=START + timedelta(minutes=1),
        started_at=START + timedelta(minutes=1),
        finished_at=START + timedelta(minutes=1),
        result="extract",
        error=None,
    )
    assert seen[2][1].result == "transform"
    assert [run.parent for run in watch.runs("transform")] == [run.id for run in watch.runs("extract")]


# how a run of the parent ends, and which of the three followers that fires
ENDS = {
    "succeeds": (RunState.SUCCEEDED, ["success", "finish"]),
    "fails": (RunState.FAILED, ["failure", "finish"]),
    "times_out": (RunState.TIMED_OUT, ["failure", "finish"]),
    "is_cancelled": (RunState.CANCELLED, ["finish"]),
    "is_lost": (RunState.LOST, ["failure", "finish"]),
}


@pytest.fixture
def parent(scheduler, nothing):
    """Add a job, to be run by hand, whose runs end in one of these ways, and three jobs after it."""

    @scheduler.task(timeout=10)
    def end(how: str) -> None:
        if how == "fails":
            raise ValueError("no")
        if how == "times_out":
            current_run.sleep(60)
        if how == "is_cancelled":
            executing().cancel(Reason.REQUESTED)
            current_run.check_cancelled()
        if how == "is_lost":
            executing().cancel(Reason.NO_BEAT)
            current_run.check_cancelled()

    def add(how: str, **policies) -> None:
        scheduler.add_job("parent", end, kwargs={"how": how}, trigger="interval", days=400, **policies)
        for on in ("success", "failure", "finish"):
            scheduler.add_job(on, nothing, trigger="after", job="parent", on=on)

    return add


def claimed_elsewhere(scheduler, engine) -> None:
    """Let another engine start what is queued."""
    core = scheduler.core

    def work(tx):
        rows = claims.candidates(tx, core.registry.names(), executor="thread", limit=10)
        claims.take(tx, rows, engine=engine, token=1, alone=False, now=core.clock.now())

    core.database.write(work)


def fired(watch) -> list[str]:
    return [on for on in ("success", "failure", "finish") if watch.story(on)]


@pytest.mark.parametrize("how", ENDS)
def test_which_ends_fire_which_followers(scheduler, fake_clock, watch, parent, how):
    state, followers = ENDS[how]
    parent(how, delivery="at_most_once" if how == "is_lost" else "at_least_once")
    scheduler.run_job("parent")
    fake_clock.advance(minutes=1)
    (run,) = watch.runs("parent")
    assert run.state is state
    assert fired(watch) == followers
    for on in followers:
        (caused,) = watch.runs(on)
        assert (caused.parent, caused.scheduled_at, caused.state) == (run.id, run.finished_at, RunState.SUCCEEDED)


def test_a_failure_fires_when_the_retries_are_used_up_and_not_before(scheduler, fake_clock, watch, parent):
    parent("fails", max_retries=2, retry_delay=60, retry_jitter=0, retry_backoff=1)
    scheduler.run_job("parent")
    fake_clock.advance(seconds=90)
    assert (watch.runs("parent")[0].attempt, fired(watch)) == (2, [])
    fake_clock.advance(minutes=5)
    assert (watch.runs("parent")[0].attempt, fired(watch)) == (3, ["failure", "finish"])
    assert watch.story("failure") == ["succeeded @2"]


def test_a_retry_by_hand_that_succeeds_fires_what_comes_after_a_success(scheduler, fake_clock, watch, ctx, parent):
    parent("fails")
    scheduler.run_job("parent")
    fake_clock.run_due()
    jobs.change_job("parent", JobChanges(fields={"kwargs": {"how": "succeeds"}}, policies={}), ctx=ctx)
    (failed,) = watch.runs("parent")
    scheduler.core.database.write(lambda tx: tx.execute(tables.runs.update().values(kwargs='{"how":"succeeds"}')))
    again = retrying.retry_run(failed.id, ctx=ctx).run
    fake_clock.advance(minutes=1)
    assert [run.parent for run in watch.runs("success")] == [again.id]
    assert [run.parent for run in watch.runs("finish")] == [failed.id, again.id]


def test_a_run_that_is_cancelled_before_it_starts_fires_nothing_one_between_two_attempts_its_end(
    scheduler, fake_clock, watch, ctx, parent
):
    parent("fails", max_retries=1, retry_delay=3600)
    waiting = scheduler.run_job("parent")
    runs.cancel_run(waiting.id, ctx=ctx)
    fake_clock.run_due()
    assert fired(watch) == []
    tried = scheduler.run_job("parent")
    fake_clock.advance(minutes=1)
    runs.cancel_run(tried.id, ctx=ctx)
    fake_clock.run_due()
    assert fired(watch) == ["finish"]
    assert [run.parent for run in watch.runs("finish")] == [tried.id]


def test_a_delete_of_the_parent_ends_what_it_had_started(scheduler, fake_clock, watch, ctx, parent):
    parent("fails", max_retries=1, retry_delay=3600)
    scheduler.run_job("parent")
    fake_clock.advance(minutes=1)
    scheduler.run_job("parent")
    jobs.delete_job("parent", ctx=ctx)
    fake_clock.run_due()
    assert {on: len(watch.runs(on)) for on in fired(watch)} == {"finish": 1}


def test_what_a_dead_engine_held_fires_when_it_is_rescued_and_lost(scheduler, fake_clock, watch, parent):
    parent("succeeds", delivery="at_most_once")
    scheduler.run_job("parent")
    dead = other_engine(scheduler)
    claimed_elsewhere(scheduler, dead)
    scheduler.core.database.write(
        lambda tx: rescues.rescue(tx, dead, beat=1, blamed=True, now=scheduler.core.clock.now())
    )
    fake_clock.run_due()
    assert watch.story("parent") == ["lost @0 crashed"]
    assert fired(watch) == ["failure", "finish"]


def test_a_run_that_is_rescued_to_be_run_again_has_not_ended(scheduler, fake_clock, watch, parent):
    parent("succeeds")
    scheduler.run_job("parent")
    dead = other_engine(scheduler)
    claimed_elsewhere(scheduler, dead)
    scheduler.core.database.write(
        lambda tx: rescues.rescue(tx, dead, beat=1, blamed=True, now=scheduler.core.clock.now())
    )
    assert fired(watch) == []
    fake_clock.run_due()
    assert fired(watch) == ["success", "finish"]


def test_ends_at_one_moment_are_firings_of_their_own(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("parent", nothing, trigger="interval", days=400, max_instances=50)
    scheduler.add_job("child", nothing, trigger="after", job="parent", overlap="queue_all")
    for _ in range(30):
        scheduler.run_job("parent")
    fake_clock.run_due()
    children = watch.runs("child")
    assert sorted(run.parent for run in children) == sorted(run.id for run in watch.runs("parent"))
    assert [run.scheduled_at - START for run in children] == [timedelta(microseconds=number) for number in range(30)]
    assert {run.state for run in children} == {RunState.SUCCEEDED}


def test_an_end_at_a_moment_that_is_taken_gets_the_first_free_one_and_no_later(scheduler, fake_clock, watch, nothing):
    scheduler.add_job("parent", nothing, trigger="interval", days=400)
    scheduler.add_job("child", nothing, trigger="after", job="parent")
    now = fake_clock.now()

    def work(tx):
        for at in (5, 0, 0, 3, 0, 0, 3, 0):
            after = now + timedelta(microseconds=at)
            following.follow(tx, [End(run=1, job_id="parent", state=RunState.SUCCEEDED, at=after)], now)

    scheduler.core.database.write(work)
    assert [(run.scheduled_at - now).microseconds for run in watch.runs("child")] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_follower_is_never_finished_and_follows_a_finished_job_that_is_run_by_hand(
    scheduler, fake_clock, watch, nothing
):
    scheduler.add_job("once", nothing, trigger="date", run_date="2026-01-01T00:01:00Z")
    scheduler.add_job("child", nothing, trigger="after", job="once")
    fake_clock.advance(minutes=2)
    assert [watch.job(job_id).state for job_id in ("once", "child")] == [JobState.FINISHED, JobState.ACTIVE]
    scheduler.run_job("once")
    fake_clock.run_due()
    assert watch.story("child") == ["succeeded @1", "succeeded @2"]


def test_a_follower_of_a_job_that_is_gone_waits_for_one_of_that_id(scheduler, fake_clock, watch, ctx, extract, nothing):
    scheduler.add_job("child", nothing, trigger="after", job="extract")
    jobs.delete_job("extract", ctx=ctx)
    fake_clock.advance(minutes=2)
    assert (watch.job("child").lacks_parent, watch.story("child")) == (True, [])
    scheduler.add_job("extract", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=1)
    assert (watch.job("child").lacks_parent, watch.story("child")) == (False, ["succeeded @3"])


def test_a_retry_sees_the_run_that_caused_the_first_and_a_run_by_hand_none(
    scheduler, fake_clock, watch, ctx, extract, look, seen
):
    scheduler.add_job("child", look, trigger="after", job="extract")
    fake_clock.advance(minutes=1)
    (child,) = watch.runs("child")
    retrying.retry_run(child.id, ctx=ctx)
    scheduler.run_job("child")
    fake_clock.run_due()
    assert [parent and parent.id for _, parent in seen] == [child.parent, child.parent, None]


def test_the_parent_s_error_is_at_hand(scheduler, fake_clock, parent, look, seen):
    parent("fails")
    scheduler.add_job("alarm", look, trigger="after", job="parent", on="failure")
    scheduler.run_job("parent")
    fake_clock.run_due()
    ((_, caused_by),) = seen
    assert (caused_by.state, caused_by.error.type, caused_by.error.message, caused_by.result) == (
        RunState.FAILED,
        "ValueError",
        "no",
        None,
    )


def test_the_newest_firing_of_a_follower_and_a_finished_job_before_one_are_not_pruned(
    scheduler, fake_clock, watch, nothing
):
    for job_id in ("once", "alone"):
        scheduler.add_job(job_id, nothing, trigger="date", run_date="2026-01-01T00:01:00Z")
    scheduler.add_job("child", nothing, trigger="after", job="once")
    fake_clock.advance(minutes=2)
    scheduler.run_job("once")
    fake_clock.advance(minutes=1)
    ids = [run.id for job_id in ("once", "alone", "child") for run in watch.runs(job_id)]
    pruned = scheduler.core.database.write(lambda tx: pruning.prune(tx, ids))
    assert (pruned.runs, pruned.jobs) == (4, 1)
    assert watch.story("child") == ["succeeded @2"]
    assert (scheduler.get_job("alone"), scheduler.get_job("once").state) == (None, "finished")


def test_a_parent_run_that_is_not_kept_any_more_is_none(scheduler, fake_clock, ctx, look, seen):
    scheduler.add_job("parent", look, trigger="interval", days=400)
    scheduler.add_job("child", look, trigger="after", job="parent")
    now = fake_clock.now()
    end = End(run=99, job_id="parent", state=RunState.SUCCEEDED, at=now)
    scheduler.core.database.write(lambda tx: following.follow(tx, [end], now))
    fake_clock.run_due()
    assert seen == [("child", None)]
