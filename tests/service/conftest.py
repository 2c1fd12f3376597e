"""A running service for a test, or one for all tests of a module."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.service.harness import Service, serving


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what its services said last and which processes they have: it may not come again."""
    report = yield
    if report.when == "call" and report.failed:
        for name, service in item.funcargs.items():
            if isinstance(service, Service):
                report.sections.append((f"the end of what {name} said", service.state()))
    return report


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that is ready, killed after the test."""
    with serving(tmp_path) as service:
        yield service


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Service]:
    """A service that the test starts itself."""
    service = Service(tmp_path)
    yield service
    service.clean_up()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that the tests of a module share."""
    with serving(tmp_path_factory.mktemp("service")) as service:
        yield service
