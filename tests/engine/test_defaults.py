"""Defaults of tasks that change in code: stored jobs follow them, where they do not override them."""

import pytest

from scheduler_app.domain.task import Registry, Task
from scheduler_app.engine.follower import Follower
from scheduler_app.services import defaults, jobs, runs
from scheduler_app.services.changes import JobChanges

NEVER = {"trigger": "date", "run_date": "2030-01-01T00:00:00Z"}


@pytest.fixture
def version(scheduler, fake_clock):
    """The code of one version: a registry in which the task `report` has these defaults."""

    def make(**policies) -> Follower:
        def report() -> None:
            pass

        registry = Registry()
        registry.add(Task.of(report, **policies))
        scheduler.registry._tasks["report"] = registry.get("report")
        return Follower(scheduler.core.database, registry, fake_clock)

    return make


def follow(follower: Follower) -> None:
    while follower.poll() == 0.0:
        pass


def test_a_stored_job_follows_new_defaults_where_it_does_not_override_them(scheduler, watch, version):
    follow(version(max_retries=1, timeout=10, tags=["old"]))
    scheduler.add_job("plain", "report", **NEVER)
    scheduler.add_job("own", "report", timeout=99, tags=["mine"], **NEVER)
    follow(version(max_retries=5, timeout=20, tags=["new"]))
    plain, own = watch.job("plain"), watch.job("own")
    assert (plain.policies.max_retries, plain.policies.timeout, plain.policies.tags) == (5, 20, ("new",))
    assert (own.policies.max_retries, own.policies.timeout, own.policies.tags) == (5, 99, ("mine",))
    assert plain.version == 2
    assert sorted(job.id for job in scheduler.get_jobs()) == ["own", "plain"]


def test_a_default_that_is_gone_from_the_code_is_gone_from_the_jobs(scheduler, watch, version):
    follow(version(max_retries=3))
    scheduler.add_job("job", "report", **NEVER)
    follow(version())
    assert watch.job("job").policies.max_retries == 0


def test_a_job_of_a_store_that_knows_no_defaults_yet_follows_the_code(scheduler, watch, version):
    version(max_retries=3)
    scheduler.add_job("job", "report", **NEVER)
    follow(version(max_retries=4))
    assert watch.job("job").policies.max_retries == 4


def test_two_versions_side_by_side_do_not_take_turns(scheduler, watch, version):
    old, new = version(priority=1), version(priority=2)
    scheduler.add_job("job", "report", **NEVER)
    follow(old)
    follow(new)
    for follower in (old, new, old, new, old):
        follow(follower)
    job = watch.job("job")
    assert (job.policies.priority, job.version) == (2, 3)


def test_an_engine_that_starts_with_the_same_code_changes_nothing(scheduler, watch, version):
    follow(version(priority=1))
    scheduler.add_job("job", "report", **NEVER)
    follow(version(priority=2))
    before = watch.job("job")
    follow(version(priority=2))
    assert watch.job("job") == before


def test_who_was_interrupted_goes_on_and_who_was_overtaken_stops(scheduler, fake_clock, watch, version, monkeypatch):
    monkeypatch.setattr(defaults, "BATCH", 2)
    follow(version())
    for number in range(7):
        scheduler.add_job(f"job{number}", "report", **NEVER)
    interrupted = version(priority=1)
    interrupted.poll()
    assert [watch.job(f"job{number}").policies.priority for number in range(7)] == [1, 1, 0, 0, 0, 0, 0]
    follow(version(priority=2))
    follow(interrupted)
    assert {watch.job(f"job{number}").policies.priority for number in range(7)} == {2}
    halfway, second = version(priority=3), version(priority=3)
    halfway.poll()
    second.poll()
    assert [watch.job(f"job{number}").policies.priority for number in range(7)] == [3, 3, 3, 3, 2, 2, 2], (
        "they share it"
    )
    follow(second)
    assert {watch.job(f"job{number}").policies.priority for number in range(7)} == {3}


def test_a_new_concurrency_key_takes_the_waiting_runs_along(scheduler, fake_clock, version):
    ctx = scheduler.core.ctx
    follow(version())
    for name in ("a", "b"):
        scheduler.add_job(name, "report", **NEVER)
    first, second = (jobs.run_job(name, ctx=ctx) for name in ("a", "b"))
    follow(version(concurrency_key="printer"))
    states = {run.id: str(runs.get_run(run.id, ctx=ctx).state) for run in (first, second)}
    assert states == {first.id: "queued", second.id: "scheduled"}


def test_a_job_that_would_contradict_itself_keeps_what_it_has(scheduler, watch, version):
    follow(version())
    scheduler.add_job("careful", "report", delivery="at_most_once", **NEVER)
    follow(version(max_retries=3))
    assert watch.job("careful").policies.max_retries == 0


def test_null_in_a_change_goes_back_to_the_default_of_today(scheduler, watch, version):
    follow(version(priority=1))
    scheduler.add_job("job", "report", priority=9, **NEVER)
    follow(version(priority=2))
    jobs.change_job("job", JobChanges(fields={}, policies={"priority": None}), ctx=scheduler.core.ctx)
    assert watch.job("job").policies.priority == 2
