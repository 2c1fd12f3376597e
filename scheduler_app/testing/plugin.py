"""The pytest plugin: `fake_clock` and `scheduler`.

A test that asks for either gets the Scheduler of its own `app` fixture, if there is one, else one of its own, on a
temporary store (`synchronous=OFF`) and on simulated time. Nothing of it is left when the test ends. The store is an
SQLite file, unless your own fixture `scheduler_database` returns the URL of another.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from scheduler_app.extension.core import Core, Kit, build
from scheduler_app.extension.scheduler import CORE, EXTENSION, Scheduler
from scheduler_app.settings import KEYS, Settings
from scheduler_app.testing.bench import Bench
from scheduler_app.testing.clock import FakeClock
from scheduler_app.testing.template import lay_store


@pytest.fixture
def scheduler_database(tmp_path: Path) -> str:
    """The URL of the store that a test works on: a file of its own."""
    path = tmp_path / "scheduler.db"
    lay_store(path)
    return f"sqlite:///{path}"


@pytest.fixture
def fake_clock(request: pytest.FixtureRequest, scheduler_database: str) -> Iterator[FakeClock]:
    """Simulated time that runs, when moved, what would have run: `fake_clock.advance(days=3)`."""
    app = _app_of(request)
    before: Core = app.extensions[CORE]
    clock = FakeClock()
    clock.start()
    changes = {"database": scheduler_database, **_everything_kept(before.settings)}
    settings = before.settings.model_copy(update=changes)
    kit = Kit(
        settings=settings,
        registry=before.registry,
        clock=clock,
        whence=before.whence,
        habits=before.desk.habits,
        synchronous="OFF",
    )
    core = build(app, kit)
    _scheduler_of(app).replace_core(core)
    clock.drive(Bench(core.engine, clock))
    try:
        yield clock
    finally:
        core.close()
        clock.stop()
        _scheduler_of(app).replace_core(before)


def _everything_kept(settings: Settings) -> dict[str, None]:
    """Return what keeps all history, which a test wants to look at, but for what the app itself has set."""
    return {key: None for key in KEYS if key.startswith("keep_") and key not in settings.model_fields_set}


@pytest.fixture
def scheduler(fake_clock: FakeClock, request: pytest.FixtureRequest) -> Scheduler:
    """The Scheduler that `fake_clock` drives: of the test's `app` fixture, else one of its own."""
    return _scheduler_of(_app_of(request))


def _scheduler_of(app: Flask) -> Scheduler:
    scheduler: Scheduler = app.extensions[EXTENSION]
    return scheduler


def _app_of(request: pytest.FixtureRequest) -> Flask:
    """Return the test's own app if it has a Scheduler, else the one made for this test."""
    try:
        app = request.getfixturevalue("app")
    except pytest.FixtureLookupError:
        app = None
    if isinstance(app, Flask) and EXTENSION in app.extensions:
        return app
    made: Flask = request.getfixturevalue("_scheduler_app")
    return made


@pytest.fixture
def _scheduler_app(tmp_path: Path) -> Flask:
    """Return an app for tests that have none with a Scheduler."""
    app = Flask("scheduler_app.testing", instance_path=str(tmp_path))
    app.config["SCHEDULER_ENGINE"] = "off"
    Scheduler(app)
    return app
