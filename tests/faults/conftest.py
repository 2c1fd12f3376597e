"""The running services of the service tests, whose stores are audited when a test is done with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.promises import the_audit_finds_no_breach
from tests.service.harness import Service, serving


@pytest.fixture
def database() -> str | None:
    """The URL of the store that a test breaks things on; None is an SQLite file. A second database comes in here."""
    return None


def options(database: str | None) -> list[str]:
    return [] if database is None else ["--database", database]


@pytest.fixture
def service(tmp_path: Path, database: str | None) -> Iterator[Service]:
    """A service that is ready, audited and killed after the test."""
    with serving(tmp_path, options=options(database)) as service:
        yield service
        the_audit_finds_no_breach(service)


@pytest.fixture
def stopped(tmp_path: Path, database: str | None) -> Iterator[Service]:
    """A service that the test starts itself."""
    service = Service(tmp_path, options=options(database))
    try:
        yield service
        the_audit_finds_no_breach(service)
    finally:
        service.clean_up()


@pytest.fixture
def pair(tmp_path: Path, database: str | None) -> Iterator[list[Service]]:
    """Two services on one store."""
    services = [Service(tmp_path, options=options(database)) for _ in range(2)]
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
