"""The bell: a commit that makes something due is seen at once by other processes that share the file."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler_app.store import bell, sqlite
from scheduler_app.store.bell import Bell

SOON = 5.0
hears = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who watches a file")
pytestmark = pytest.mark.sqlite


@pytest.fixture
def nothing(scheduler):
    @scheduler.task
    def nothing() -> None:
        pass

    return nothing


@pytest.fixture
def heard(scheduler, nothing) -> Iterator[Bell]:
    path = Path(scheduler.core.database.path)
    with closing(Bell(path.with_name(path.name + ".gate"))) as heard:
        yield heard


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that gives out no more watches."""

    class Kernel:
        def inotify_init1(self, _flags: int) -> int:
            return -1

    monkeypatch.setattr(bell.ctypes, "CDLL", lambda _: Kernel())


@hears
def test_it_rings_for_what_is_due_and_for_nothing_else(scheduler, fake_clock, nothing, heard: Bell):
    scheduler.add_job("later", nothing, trigger="interval", hours=1)
    scheduler.pause()
    assert not heard.wait(0)
    soon = fake_clock.now() + timedelta(seconds=1)
    for change in (
        scheduler.resume,
        nothing.delay,
        lambda: scheduler.run_job("later"),
        lambda: scheduler.add_job("soon", nothing, trigger="date", run_date=soon),
    ):
        change()
        assert heard.wait(SOON)
        assert not heard.wait(0)


@hears
def test_a_commit_is_seen_when_it_rings_and_one_that_does_not_a_little_later(scheduler, nothing, monkeypatch):
    monkeypatch.setattr(sqlite, "LOOK_EVERY", SOON)
    with closing(scheduler.core.database.probe()) as probe:
        nothing.delay()
        assert probe.has_changed()
        assert probe.rest == sqlite.REST
        monkeypatch.setattr(sqlite, "LOOK_EVERY", 0.0)
        scheduler.add_job("later", nothing, trigger="interval", hours=1)
        assert probe.has_changed()
        assert probe.rest == 0.0
        assert not probe.has_changed()


def test_where_nobody_can_hear_it_commits_are_seen_all_the_same(scheduler, nothing, deaf):
    with closing(scheduler.core.database.probe()) as probe:
        assert probe.has_changed()
        nothing.delay()
        assert probe.has_changed()
        assert not probe.has_changed()


def test_a_bell_that_cannot_be_rung_undoes_nothing(scheduler, nothing, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "pwrite", full)
    run = nothing.delay()
    assert run.state == "queued"
