"""The fake clock drives real engine code on a real store."""

import gc
import time
from datetime import UTC, datetime, timedelta

import pytest

from scheduler_app import Scheduler, current_run
from scheduler_app.services import runs
from scheduler_app.store import lags, rollups, run_pages
from scheduler_app.store.runs import RunFilter
from scheduler_app.testing.clock import START, FakeClock


def runs_of(scheduler: Scheduler, job_id: str):
    with scheduler.core.ctx.database.read() as tx:
        found = run_pages.page(tx, RunFilter(job_ids=(job_id,)), after=None, limit=10_000)
    return [run for run, _ in reversed(found)]


def test_three_days_pass_in_milliseconds_and_every_firing_runs_at_its_time(scheduler, fake_clock: FakeClock):
    seen = []

    @scheduler.task
    def note():
        seen.append((datetime.now(UTC), time.time(), current_run.scheduled_at))

    scheduler.add_job("hourly", note, trigger="interval", hours=1)
    fake_clock.advance(days=3)
    expected = [START + timedelta(hours=hour) for hour in range(1, 73)]
    assert [at for at, _, _ in seen] == expected
    assert [at for _, _, at in seen] == expected
    assert [at.timestamp() for at in expected] == [at for _, at, _ in seen]
    assert {run.state for run in runs_of(scheduler, "hourly")} == {"succeeded"}


def test_a_bare_number_is_no_span_of_time(fake_clock: FakeClock):
    for move in (fake_clock.advance, fake_clock.jump):
        with pytest.raises(TypeError, match=r"like advance\(minutes=5\); got 5"):
            move(5)


@pytest.mark.slow
def test_a_year_of_an_hourly_job_is_run_firing_by_firing(scheduler, fake_clock: FakeClock):
    @scheduler.task
    def nothing() -> None:
        pass

    scheduler.add_job("hourly", nothing, trigger="interval", hours=1)
    fake_clock.advance(days=365)
    assert len(runs_of(scheduler, "hourly")) == 8760


@pytest.mark.slow
@pytest.mark.parametrize("trigger", [{"type": "cron", "expression": "* * * * *"}, {"type": "interval", "minutes": 1}])
def test_a_day_of_a_job_that_fires_every_minute_costs_one_commit_a_firing(scheduler, fake_clock: FakeClock, trigger):
    """What a year costs, told without a watch: nothing else is written, and memory keeps nothing of a run."""
    seen = []

    @scheduler.task
    def note() -> None:
        seen.append(fake_clock.now())

    scheduler.add_job("every-minute", note, trigger=trigger)
    fake_clock.advance(hours=1)
    commits, kept = scheduler.core.database.commits, len(gc.get_objects())
    fake_clock.advance(days=1)
    assert seen == [START + timedelta(minutes=minute) for minute in range(1, 25 * 60 + 1)]
    assert scheduler.core.database.commits - commits <= 1440 + 5
    assert {run.state for run in runs_of(scheduler, "every-minute")} == {"succeeded"}
    del seen[:]
    assert len(gc.get_objects()) - kept < 1440


def test_a_task_that_takes_longer_than_its_interval_does_not_carry_the_clock_away(scheduler, fake_clock: FakeClock):
    @scheduler.task
    def slow() -> None:
        current_run.sleep(150)

    scheduler.add_job("busy", slow, trigger="interval", minutes=1)
    fake_clock.advance(minutes=4)
    # 1:00 runs until 3:30; then 3:00 (2:00 is coalesced) until 6:00; then 4:00, the last within the four minutes
    assert fake_clock.now() == START + timedelta(minutes=8, seconds=30)
    told = [(run.state, (run.scheduled_at - START) / timedelta(minutes=1)) for run in runs_of(scheduler, "busy")]
    assert sorted(told, key=lambda row: row[1]) == [("succeeded", 1), ("missed", 2), ("succeeded", 3), ("succeeded", 4)]


def test_the_api_of_the_fixtures_own_app_is_served_on_simulated_time(scheduler, fake_clock: FakeClock):
    key = {"Authorization": f"Bearer {opened_key(scheduler)}"}
    client = scheduler.app.test_client()

    @scheduler.task
    def greet(name: str) -> str:
        return f"hello {name}"

    job = {"id": "daily", "task": "greet", "kwargs": {"name": "you"}, "trigger": {"type": "interval", "days": 1}}
    assert client.post("/scheduler/api/v1/jobs", json=job, headers=key).status_code == 201
    fake_clock.advance(days=2)
    items = client.get("/scheduler/api/v1/jobs/daily/runs", headers=key).json["items"]
    assert [(run["scheduled_at"], run["result"]) for run in items] == [
        ("2026-01-03T00:00:00Z", "hello you"),
        ("2026-01-02T00:00:00Z", "hello you"),
    ]


def opened_key(scheduler: Scheduler) -> str:
    """Return the admin key of a store, made by its first opening."""
    scheduler.core.open()
    return scheduler.core.key_file.read_text().strip()


def test_nothing_of_the_simulated_time_is_left_after_the_test():
    assert abs(datetime.now(UTC) - START) > timedelta(days=30)


def test_what_a_task_adds_on_the_way_runs_at_its_time_and_nothing_is_left_unsettled(scheduler, fake_clock: FakeClock):
    seen = []

    @scheduler.task
    def note(name: str) -> None:
        seen.append((name, (fake_clock.now() - START) / timedelta(minutes=1)))
        if name == "first":
            due = fake_clock.now() + timedelta(minutes=1)
            scheduler.add_job("second", note, args=["second"], trigger="date", run_date=due.isoformat())

    first = START + timedelta(minutes=1)
    scheduler.add_job("first", note, args=["first"], trigger="date", run_date=first.isoformat())
    scheduler.add_job("later", note, args=["later"], trigger="interval", minutes=10)
    fake_clock.advance(minutes=10)
    assert seen == [("first", 1), ("second", 2), ("later", 10)]
    assert [runs_of(scheduler, name)[0].state for name in ("first", "second", "later")] == ["succeeded"] * 3
    assert scheduler.get_job("first").state == "finished"


def test_a_task_sees_in_the_store_what_ran_before_it_while_time_moves(scheduler, fake_clock: FakeClock):
    seen = []

    @scheduler.task
    def look() -> None:
        page = runs.list_runs(RunFilter(), after=None, limit=10, ctx=scheduler.core.ctx)
        seen.append([str(run.state) for run in page.runs])

    scheduler.add_job("look", look, trigger="interval", minutes=1)
    fake_clock.advance(minutes=3)
    assert seen == [["running"], ["running", "succeeded"], ["running", "succeeded", "succeeded"]]


def test_a_job_that_a_task_adds_while_time_moves_fires_at_its_time(scheduler, fake_clock: FakeClock):
    seen = []

    @scheduler.task
    def note() -> None:
        seen.append(datetime.now(UTC) - START)

    @scheduler.task
    def plan() -> None:
        scheduler.add_job("later", note, trigger="date", run_date=datetime.now(UTC) + timedelta(seconds=90))

    scheduler.add_job("often", note, trigger="interval", minutes=2)
    scheduler.add_job("plan", plan, trigger="date", run_date=START + timedelta(minutes=3))
    fake_clock.advance(minutes=6)
    assert seen == [timedelta(seconds=seconds) for seconds in (120, 240, 270, 360)]


def test_each_firing_counts_in_the_minute_of_its_own_and_none_is_late(scheduler, fake_clock: FakeClock):
    @scheduler.task
    def nothing() -> None:
        pass

    scheduler.add_job("often", nothing, trigger="interval", minutes=1)
    fake_clock.advance(minutes=5)
    with scheduler.core.database.read() as tx:
        graded = [(grade.at, grade.count, grade.most) for grade in lags.since(tx, START)]
        minutes = [(row.at, row.count) for row in rollups.read(tx, START, fake_clock.now() + timedelta(1), "minute")]
    expected = [START + timedelta(minutes=minute) for minute in range(1, 6)]
    assert graded == [(at, 1, 0.0) for at in expected]
    assert minutes == [(at, 1) for at in expected]
