"""Real gunicorn with several workers around `create_app()`, configured by the environment alone."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.service.harness import PATIENCE, TASKS, Service, wait_until

GUNICORN = Path(sys.executable).with_name("gunicorn")
LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)\b")


class Gunicorn(Service):
    """`gunicorn -w 4 'scheduler_app:create_app()'` on a data folder, always on the port that it got first."""

    listening = LISTENING

    def __init__(
        self, folder: Path, *, options: Iterable[str] = (), settings: dict[str, str] | None = None, workers: int = 4
    ) -> None:
        super().__init__(folder)
        self._options = [*options]
        self._workers = str(workers)
        self.env |= {"SCHEDULER_DATA": str(self.data), "SCHEDULER_TASKS": str(TASKS), **(settings or {})}

    def command(self) -> list[str]:
        """The command line."""
        bind = f"127.0.0.1:{self.port}"
        app = "scheduler_app:create_app()"
        own = () if "-c" in self._options else ("-w", self._workers, "--no-control-socket")
        return [str(GUNICORN), "-b", bind, *own, *self._options, app]

    def engines(self) -> list[dict[str, Any]]:
        """The engines that run, as any of the workers tells."""
        return [row for row in self.get("/scheduler")["engines"] if row["state"] == "running"]

    def are_ready(self, number: int = 4) -> bool:
        """Whether that many workers have each an engine that runs, and no other engine does."""
        engines = self.engines()
        return len(engines) == number and {row["pid"] for row in engines} == set(self.workers())


@contextmanager
def workers(folder: Path, **options: Any) -> Iterator[Gunicorn]:
    """A gunicorn for a block, killed after it whatever happens."""
    service = Gunicorn(folder, **options)
    try:
        yield service.start(within=PATIENCE)
    finally:
        service.clean_up()


FIRES_EACH_TIME = {"coalesce": False, "overlap": "queue_all", "max_instances": 8}


def begin_firing(service: Service, *, every: float = 0.4) -> None:
    """Add a job that fires all the time, of which no firing may be passed over."""
    trigger = {"type": "interval", "seconds": every}
    service.post("/jobs", {"id": "tick", "task": "work", "trigger": trigger, **FIRES_EACH_TIME}, expect=201)


def end_firing(service: Service, *, every: float = 0.4, kills: bool = False) -> list[dict[str, Any]]:
    """End it, and check that each firing is there once and was executed once; with `kills`, twice if it was rescued."""
    service.post("/jobs/tick/pause")
    wait_until(lambda: not any(service.get("/scheduler")["open_runs"].values()), within=15.0, what="drained")
    runs = sorted(service.runs(job_id="tick"), key=lambda run: str(run["scheduled_at"]))
    assert {run["state"] for run in runs} == {"succeeded"}, [run for run in runs if run["state"] != "succeeded"]
    at = [datetime.fromisoformat(run["scheduled_at"]) for run in runs]
    assert {later - earlier for earlier, later in pairwise(at)} == {timedelta(seconds=every)}
    begins = Counter(mark.run for mark in service.marks("begin"))
    twice = {run for run, number in begins.items() if number > 1}
    assert twice <= {run["id"] for run in service.runs() if kills and run["crashes"]}
    assert {run["id"] for run in runs} <= begins.keys()
    return runs
