"""The two halves of the service apart: `serve --no-engine` answers, `worker` works."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.service.harness import COMMAND, TASKS, Service, wait_until

WORKING = re.compile(r"^Working on ", re.MULTILINE)


class Worker(Service):
    """A `scheduler-app worker` on the data folder of others, with tasks of its own."""

    def __init__(self, folder: Path, *, tasks: Path = TASKS, options: Iterable[str] = ()) -> None:
        super().__init__(folder)
        self._options = ["--tasks", str(tasks), *options]

    def command(self) -> list[str]:
        """The command line."""
        return [str(COMMAND), "worker", "--data", str(self.data), *self._options]

    def works(self) -> bool:
        """Whether it has said that it works."""
        found = WORKING.search(self.said())
        assert found or self.process.poll() is None, f"it ended with {self.process.returncode}: {self.said()}"
        return found is not None

    def start(self, *, within: float = 45.0, ready: bool = True) -> "Worker":
        """Start it and wait until it works."""
        self.launch()
        wait_until(self.works, within=within, what="working")
        return self


def web(folder: Path) -> Service:
    """The web part alone."""
    return Service(folder, options=["--no-engine"])
