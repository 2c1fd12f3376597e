"""What Python code changes is noted too, and so is what changes by itself; what it has done is not."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from scheduler_app import Scheduler
from scheduler_app.domain.retention import Retention
from scheduler_app.engine.pruner import Pruner
from scheduler_app.services import jobs
from scheduler_app.services.trail import list_changes
from scheduler_app.store.trail import TrailFilter
from scheduler_app.testing.clock import START
from tests.aps import work

Changes = Callable[[], list[tuple[str, str, str | None]]]


def changes_in(scheduler: Scheduler) -> list[tuple[str, str, str | None]]:
    """Who changed what of what, the oldest first."""
    page = list_changes(TrailFilter(), after=None, limit=100, keys_too=True, ctx=scheduler.core.ctx)
    return [(entry.who, entry.what, entry.subject) for entry in reversed(page.entries)]


@pytest.fixture
def changes(scheduler: Scheduler) -> Changes:
    return lambda: changes_in(scheduler)


@pytest.fixture
def note(scheduler: Scheduler) -> Any:
    @scheduler.task
    def note(what: str = "") -> None:
        pass

    return note


def test_what_code_changes_is_noted_as_done_by_code(scheduler: Scheduler, note: Any, changes: Changes):
    scheduler.add_job("a", note, trigger="interval", hours=1)
    scheduler.modify_job("a", kwargs={"what": "x"})
    scheduler.reschedule_job("a", trigger="interval", hours=2)
    scheduler.pause_job("a")
    scheduler.resume_job("a")
    scheduler.add_job("a", note, trigger="interval", hours=3, replace_existing=True)
    scheduler.pause()
    scheduler.resume()
    scheduler.remove_job("a")
    done = ("created", "changed", "changed", "paused", "resumed", "changed")
    assert changes() == [
        *(("code", f"job.{what}", "job:a") for what in done),
        ("code", "scheduler.paused", None),
        ("code", "scheduler.resumed", None),
        ("code", "job.deleted", "job:a"),
    ]


def test_the_work_of_code_is_no_change(scheduler: Scheduler, note: Any, changes: Changes, fake_clock: Any):
    note.delay(what="x")
    note.delay_until(START + timedelta(minutes=5))
    scheduler.add_job("later", note, trigger="date", run_date=START + timedelta(minutes=5))
    fake_clock.advance(hours=1)
    assert changes() == []
    note.every(hours=1, id="often")
    scheduler.run_job("often")
    assert changes() == [("code", "job.created", "job:often")]


def test_a_pause_that_ends_by_itself_is_noted_as_ended_by_the_engine(
    scheduler: Scheduler, note: Any, changes: Changes, fake_clock: Any
):
    for name in ("a", "b", "c"):
        scheduler.add_job(name, note, trigger="interval", minutes=1)
        until = START + timedelta(minutes=2 if name == "a" else 30)
        jobs.pause_job(name, reason="holiday", until=until, ctx=scheduler.core.ctx)
    before = len(changes())
    fake_clock.advance(minutes=3)
    assert changes()[before:] == [("engine", "job.resumed", "job:a")]
    fake_clock._set(START + timedelta(minutes=31))  # nobody looked when it ended
    scheduler.modify_job("b", name="other")
    assert changes()[before + 1 :] == [("engine", "job.resumed", "job:b"), ("code", "job.changed", "job:b")]
    scheduler.resume_job("c")
    assert changes()[before + 3 :] == [("code", "job.resumed", "job:c")]


def test_what_ends_with_the_pause_of_everything_is_noted(
    scheduler: Scheduler, note: Any, changes: Changes, fake_clock: Any
):
    scheduler.add_job("a", note, trigger="interval", minutes=1)
    jobs.pause_job("a", reason=None, until=START + timedelta(minutes=2), ctx=scheduler.core.ctx)
    scheduler.pause()
    fake_clock.advance(minutes=5)
    scheduler.resume()
    assert changes()[-2:] == [("engine", "job.resumed", "job:a"), ("code", "scheduler.resumed", None)]


def test_what_a_transaction_of_the_app_adds_is_noted_when_it_is_committed(
    scheduler: Scheduler, note: Any, changes: Changes
):
    engine = sa.create_engine(scheduler.core.database.url, poolclass=sa.pool.NullPool)
    for commits in (False, True):
        with engine.connect() as connection:
            scheduler.add_job("a", note, trigger="interval", hours=1, in_transaction=connection)
            note.delay(what="work", in_transaction=connection) if commits else None
            (connection.commit if commits else connection.rollback)()
    assert changes() == [("code", "job.created", "job:a")]


def test_changes_are_forgotten_when_they_are_older_than_is_kept(
    scheduler: Scheduler, note: Any, changes: Changes, fake_clock: Any
):
    core = scheduler.core
    retention = Retention(changes=timedelta(days=1))
    core.engine.pruner = Pruner(
        core.database, core.clock, core.ctx.bus, retention=retention, engine_id=lambda: core.engine.id
    )
    scheduler.add_job("a", note, trigger="interval", days=1)
    fake_clock.advance(hours=20)
    scheduler.pause_job("a")
    fake_clock.advance(hours=6)
    assert changes() == [("code", "job.paused", "job:a")]


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[Callable[..., list[tuple[str, str, str | None]]]]:
    """Start an app whose code declares a job, and return the changes so far."""

    def start(**declared: Any) -> list[tuple[str, str, str | None]]:
        app = Flask("app", instance_path=str(tmp_path / "instance"))
        app.config |= {"SCHEDULER_ENGINE": "off", "SCHEDULER_TASK_MODULES": ["tests.aps"]}
        if declared:
            app.config["SCHEDULER_JOBS"] = [{"id": "a", "func": work.note, "args": [1], **declared}]
        scheduler = Scheduler(app)
        scheduler.get_jobs()
        found = changes_in(scheduler)
        scheduler.core.close()
        return found

    yield start


def test_what_the_code_declares_is_noted_when_a_start_changes_it(starts: Any):
    created = [("code", "job.created", "job:a")]
    assert starts(trigger="interval", hours=1) == created
    assert starts(trigger="interval", hours=1) == created
    assert starts(trigger="interval", hours=2) == [*created, ("code", "job.changed", "job:a")]
