"""For the whole suite: which tests run on both databases, and that in CI a skipped test is a failure."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.routing import Rule

from scheduler_app.store import schema
from scheduler_app.store.database import Database
from scheduler_app.testing.template import lay_store
from tests import postgres

TESTS = Path(__file__).parent
# the rooms whose tests say what holds on every database
CONFORMING = ("store", "engine", "api")
# a second time is not worth the wait of who runs the fast tests again and again
DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))
# each starts a server, for its test alone or for the first test of a process that asks for it
STARTING = {"service", "stopped", "serve", "postgresql"}

# hundreds of processes are started below, and each would compile all of the package for itself
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def build_rules_once() -> None:
    """Thousands of apps are made of the same few rules, from each of which Werkzeug compiles two functions anew."""
    built: dict[Any, Any] = {}
    build = Rule._compile_builder

    def remembered(rule: Rule, append_unknown: bool = True) -> Any:
        if rule.defaults:
            return build(rule, append_unknown)
        key = (*rule._trace, append_unknown)
        if key not in built:
            built[key] = build(rule, append_unknown)
        return built[key]

    Rule._compile_builder = remembered


build_rules_once()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Fast tests keep a core busy each; the others wait, for the greater part, for what they have started."""
    cores = os.cpu_count() or 1
    return cores if "not slow" in config.option.markexpr else cores + (cores + 1) // 2


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Thousands of tests are no garbage: looking through them again and again took a tenth of the suite's time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test twice whose store may be either: all of some rooms, elsewhere those that are marked."""
    room = metafunc.definition.path.relative_to(TESTS).parts[0]
    conforms = room in CONFORMING or metafunc.definition.get_closest_marker("databases") is not None
    if "scheduler_database" in metafunc.fixturenames and conforms:
        only = metafunc.definition.get_closest_marker("postgresql") is not None
        metafunc.parametrize("scheduler_database", DATABASES[1:] if only else DATABASES, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, on PostgreSQL, what is about SQLite; mark what is slow, and let the longest begin in good time."""
    for item in items:
        if STARTING.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    apart = [item for item in items if item.get_closest_marker("sqlite") and _is_on_postgresql(item)]
    if apart:
        config.hook.pytest_deselected(items=apart)
        items[:] = [item for item in items if item not in apart]
    items[:] = _with_the_longest_in_front(items)


def _with_the_longest_in_front(items: list[pytest.Item]) -> list[pytest.Item]:
    """Spread them over the first half: no worker gets all of them, and none is left alone with one at the end."""
    longest = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    for number, item in enumerate(longest):
        others.insert(number * len(items) // (2 * len(longest)), item)
    return others


def _is_on_postgresql(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and callspec.params.get("scheduler_database") == "postgresql"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    """A server for all tests of this process, with a template of a store that is up to date."""
    with postgres.running() as server:
        server.execute(f"CREATE DATABASE {postgres.TEMPLATE}")
        database = Database(
            server.url(postgres.TEMPLATE), prepare=lambda store: schema.upgrade(store, on_create=lambda _: None)
        )
        with database.read():
            pass
        database.close()
        yield server


@pytest.fixture
def scheduler_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty store: a file, or a database that is dropped afterwards."""
    if getattr(request, "param", "sqlite") == "sqlite":
        lay_store(tmp_path / "scheduler.db")
        yield f"sqlite:///{tmp_path / 'scheduler.db'}"
    else:
        server: postgres.Server = request.getfixturevalue("postgresql")
        with server.lent(postgres.TEMPLATE) as url:
            yield url
