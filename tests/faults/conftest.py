"""The running service of the service tests."""

from tests.service.conftest import service, shared, stopped

__all__ = ["service", "shared", "stopped"]
