"""The pytest plugin: simulated time, and what a test says of jobs and runs.

A test that asks for any of these gets the Scheduler of its own `app` fixture, if there is one, else one of its own, on
a temporary store (`synchronous=OFF`) and on simulated time. Nothing of it is left when the test ends.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from flask import Flask

from scheduler_app.domain.run import Run
from scheduler_app.extension.scheduler import EXTENSION, Scheduler
from scheduler_app.testing import asserting, timeline
from scheduler_app.testing.clock import FakeClock
from scheduler_app.testing.stage import How, Mode, Stage, own_app, scheduler_of, simulated
from scheduler_app.testing.template import lay_store
from scheduler_app.testing.timeline import Timeline

MARK = "scheduler_mode"


def pytest_configure(config: pytest.Config) -> None:
    """Tell what our mark means."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(mode, raising=False): 'inline' runs what a call queues before it returns, 'manual' when the test says "
        "so (scheduler_app)",
    )


@pytest.fixture
def scheduler_database(tmp_path: Path) -> str:
    """The URL of the store that a test works on: a file of its own. Override it to use a database of yours."""
    path = tmp_path / "scheduler.db"
    lay_store(path)
    return f"sqlite:///{path}"


@pytest.fixture
def scheduler_mode() -> Mode:
    """How runs come about in tests without the mark `scheduler_mode`. Override it: `inline` or `manual`."""
    return "manual"


@pytest.fixture
def scheduled_app(request: pytest.FixtureRequest, tmp_path: Path) -> Flask:
    """The app that is tested: your fixture `app`, if it has a Scheduler, else one made here. Override to name yours."""
    try:
        app = request.getfixturevalue("app")
    except pytest.FixtureLookupError as error:
        if error.argname != "app":
            raise
        app = None
    return app if isinstance(app, Flask) and EXTENSION in app.extensions else own_app(tmp_path)


@pytest.fixture
def scheduler_stage(
    request: pytest.FixtureRequest, scheduled_app: Flask, scheduler_database: str, scheduler_mode: Mode
) -> Iterator[Stage]:
    """All that a test stands on: `app`, `scheduler`, `clock`, `core`."""
    mark = request.node.get_closest_marker(MARK)
    how = How(scheduler_mode) if mark is None else How(*mark.args, **mark.kwargs)
    with simulated(scheduled_app, database=scheduler_database, mode=how.mode, raising=how.raising) as stage:
        yield stage


@pytest.fixture
def fake_clock(scheduler_stage: Stage) -> FakeClock:
    """Simulated time that runs, when moved, what would have run: `fake_clock.advance(days=3)`."""
    return scheduler_stage.clock


@pytest.fixture
def scheduler(scheduler_stage: Stage) -> Scheduler:
    """The Scheduler that `fake_clock` drives: of the test's `app` fixture, else one of its own."""
    return scheduler_of(scheduler_stage.app)


@pytest.fixture
def assert_scheduled(fake_clock: FakeClock) -> Callable[..., None]:
    """Assert that a task will run: `assert_scheduled(send, at=…, kwargs=…)`."""
    return asserting.assert_scheduled


@pytest.fixture
def refute_scheduled(fake_clock: FakeClock) -> Callable[..., None]:
    """Assert that a task will not run."""
    return asserting.refute_scheduled


@pytest.fixture
def assert_ran(fake_clock: FakeClock) -> Callable[..., list[Run]]:
    """Assert that runs of a task ended well: `assert_ran(send, times=2, kwargs=…)`."""
    return asserting.assert_ran


@pytest.fixture
def refute_ran(fake_clock: FakeClock) -> Callable[..., None]:
    """Assert that no attempt of a task was made."""
    return asserting.refute_ran


@pytest.fixture
def drain(fake_clock: FakeClock) -> Callable[..., list[Run]]:
    """Run what is queued or due now, until nothing is left."""
    return asserting.drain


@pytest.fixture
def fail_next(fake_clock: FakeClock) -> Callable[..., None]:
    """Let the next attempt of a task raise: `fail_next(send, ConnectionError("no mail server"))`."""
    return asserting.fail_next


@pytest.fixture
def crash_next(fake_clock: FakeClock) -> Callable[..., None]:
    """Let the process die in the next attempt of a task."""
    return asserting.crash_next


@pytest.fixture
def inline(fake_clock: FakeClock) -> Callable[..., AbstractContextManager[None]]:
    """Let what a call queues run before it returns, in a block: `with inline():`."""
    return asserting.inline


@pytest.fixture
def manual(fake_clock: FakeClock) -> Callable[..., AbstractContextManager[None]]:
    """Let what a call queues wait, in a block of a test whose mode is inline: `with manual():`."""
    return asserting.manual


@pytest.fixture
def simulate() -> Callable[..., Timeline]:
    """Tell when a trigger or a job fires, without running anything: `simulate(trigger, days=365)`."""
    return timeline.simulate
