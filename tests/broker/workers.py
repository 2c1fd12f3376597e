"""Real Celery workers beside a real service."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.service.harness import COMMAND, Service
from tests.valkey import Valkey

TASKS = Path(__file__).with_name("celery_tasks.py")
ROOT = TASKS.parents[2]


def brokered(folder: Path, broker: Valkey, *, options: Iterable[str] = ()) -> Service:
    """A service, not started yet, whose tasks execute in Celery's workers, over an empty broker."""
    with broker.client as client:
        client.flushall()
    service = Service(folder)
    service._options = ["--tasks", str(TASKS), *options]
    service.env |= {"SCHEDULER_BROKER": broker.url, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    return service


class CeleryWorker(Service):
    """One `scheduler-app celery-worker` beside a service."""

    listening = re.compile(r"scheduler-\d+@\S+() ready")

    def __init__(self, service: Service, *, pool: str = "prefork") -> None:
        super().__init__(service.folder)
        self.env = dict(service.env)
        self._options = service._options
        self._pool = ["--pool", pool, "--concurrency", "2"]

    def command(self) -> list[str]:
        return [str(COMMAND), "celery-worker", "--data", str(self.data), *self._pool, *self._options]

    def listens(self) -> bool:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.said()}"
        return self.listening.search(self.said()) is not None
