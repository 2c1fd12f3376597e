"""The running services of the service tests, whose stores are audited when a test is done with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.promises import the_audit_finds_no_breach
from tests.service.harness import Service, serving


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that is ready, audited and killed after the test."""
    with serving(tmp_path) as service:
        yield service
        the_audit_finds_no_breach(service)


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Service]:
    """A service that the test starts itself."""
    service = Service(tmp_path)
    try:
        yield service
        the_audit_finds_no_breach(service)
    finally:
        service.clean_up()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Service]]:
    """Two services on one store."""
    services = [Service(tmp_path), Service(tmp_path)]
    try:
        yield [service.start() for service in services]
        the_audit_finds_no_breach(services[0])
    finally:
        for service in services:
            service.clean_up()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that the tests of a module share."""
    with serving(tmp_path_factory.mktemp("service")) as service:
        yield service
        the_audit_finds_no_breach(service)
