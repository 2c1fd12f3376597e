"""What takes submits over HTTP: how each contender is started, asked, and counted."""

import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks import databases
from tests.benchmarks.processes import StepError, running

RUN_DATE = (datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)).isoformat()
START_SECONDS = 30.0
TASKS = Path(__file__).with_name("service_tasks.py")
GUNICORN = ["-m", "gunicorn", "--worker-class", "gthread", "--workers", "1", "--threads", "8"]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that listens: where jobs go, with which headers, and which status means that one was taken."""

    port: int
    path: str
    good: int
    pid: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Any:
        """Return the JSON under a path."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        """Send JSON and return the JSON of the answer."""
        return self._ask("POST", path, json.dumps(body))

    def _ask(self, method: str, path: str, body: str | None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, self.headers | {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def ours(folder: Path, *, tasks: Path = TASKS, **variables: str) -> Iterator[Server]:
    """Run `scheduler-app serve` as shipped, with its key; its one worker holds the engine too."""
    arguments = ["-m", "scheduler_app", "serve", "--port", "0", "--data", str(folder), "--tasks", str(tasks)]
    with running([sys.executable, *arguments], folder / "serve.log", **variables) as process:
        port = _announced_port(folder / "serve.log")
        _wait_for(port, "/readyz")
        yield Server(
            port=port,
            path="/api/v1/jobs",
            good=201,
            pid=process.pid,
            headers={"Authorization": f"Bearer {(folder / 'admin.key').read_text().strip()}"},
            body={"task": "noop", "trigger": {"type": "date", "run_date": RUN_DATE}},
        )


def _announced_port(log: Path) -> int:
    """Read the port from the line that `serve` prints."""
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        lines = [line for line in log.read_text().splitlines() if line.startswith("Listening on ")]
        if lines:
            return int(lines[0].split()[2].rpartition(":")[2])
        time.sleep(0.05)
    raise StepError(f"serve did not listen within {START_SECONDS:g} s: {log.read_text()[-500:]}")


@contextmanager
def flask_apscheduler_memory(folder: Path) -> Iterator[Server]:
    """Run Flask-APScheduler's REST API on its default store."""
    with _gunicorn(folder, "create()", "/scheduler/jobs") as server:
        yield server


@contextmanager
def flask_apscheduler_sqlite(folder: Path) -> Iterator[Server]:
    """Run Flask-APScheduler's REST API on the SQLAlchemyJobStore with a file."""
    with _gunicorn(folder, f"create('sqlite:///{folder / 'jobs.db'}')", "/scheduler/jobs") as server:
        yield server


@contextmanager
def ours_postgresql(folder: Path) -> Iterator[Server]:
    """Run ours on an empty database."""
    with ours(folder, SCHEDULER_DATABASE=databases.empty("submitting")) as server:
        yield server


@contextmanager
def flask_apscheduler_postgresql(folder: Path) -> Iterator[Server]:
    """Run Flask-APScheduler's REST API on the SQLAlchemyJobStore with PostgreSQL."""
    with _gunicorn(folder, f"create({databases.empty('submitting')!r})", "/scheduler/jobs") as server:
        yield server


@contextmanager
def bare_flask(folder: Path) -> Iterator[Server]:
    """Run a Flask app that keeps nothing."""
    with _gunicorn(folder, "create_bare()", "/jobs") as server:
        yield server


@contextmanager
def _gunicorn(folder: Path, call: str, path: str) -> Iterator[Server]:
    port = _free_port()
    command = [sys.executable, *GUNICORN, "--bind", f"127.0.0.1:{port}", f"tests.benchmarks.peer_app:{call}"]
    with running(command, folder / "gunicorn.log") as process:
        _wait_for(port, "/")
        yield Server(
            port=port,
            path=path,
            good=200,
            pid=process.pid,
            body={"func": "tests.benchmarks.work:noop", "trigger": "date", "run_date": RUN_DATE},
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, path: str) -> None:
    """Wait until a server answers anything below 500."""
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    raise StepError(f"port {port} did not answer within {START_SECONDS:g} s")


def count_ours(server: Server) -> int:
    """Count the jobs of our service, page by page."""
    total, cursor = 0, ""
    while True:
        page = server.get(f"/api/v1/jobs?limit=1000{cursor}")
        total += len(page["items"])
        if page["next_cursor"] is None:
            return total
        cursor = f"&cursor={page['next_cursor']}"


def count_peer(server: Server) -> int:
    """Count the jobs of Flask-APScheduler."""
    return len(server.get("/scheduler/jobs"))


def cpu_seconds(pid: int) -> float | None:
    """Return the CPU time of a server and its workers so far; None where /proc does not tell."""
    try:
        return sum(ticks_of(member) for member in family(pid)) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None


def family(pid: int) -> list[int]:
    """Return a process and what it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def ticks_of(pid: int) -> int:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


Starter = Callable[[Path], Any]
SERVERS: dict[str, tuple[Starter, Callable[[Server], int] | None]] = {
    "ours": (ours, count_ours),
    "ours-postgresql": (ours_postgresql, count_ours),
    "fa-memory": (flask_apscheduler_memory, count_peer),
    "fa-sqlite": (flask_apscheduler_sqlite, count_peer),
    "fa-postgresql": (flask_apscheduler_postgresql, count_peer),
    "bare-flask": (bare_flask, None),
}
