"""A real `scheduler-app serve` in a process group of its own: start it, ask it, stop it, kill it.

Who asks it speaks no TLS, and is told so (`verify=False`): reading the authorities takes longer than asking.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

TASKS = Path(__file__).with_name("witness_tasks.py")
COMMAND = Path(sys.executable).with_name("scheduler-app")
LISTENING = re.compile(r"^Listening on http://127\.0\.0\.1:(\d+)\b", re.MULTILINE)
FINAL = frozenset({"succeeded", "failed", "timed_out", "cancelled", "lost", "missed", "skipped"})
MOST_LINES = 60
LOOK_EVERY = 0.02
# to look takes the processor time of two processes, of which what is waited for has need
LOOK_AT_LAST_EVERY = 0.06
# for what no test promises a time: it costs nothing where all is well, and machines may be busy
PATIENCE = 60.0
T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, within: float, what: str = "") -> T:
    """Poll until `condition` is truthy and return what it gave; AssertionError when `within` seconds are over."""
    limit, pause = time.monotonic() + within, LOOK_EVERY
    while not (value := condition()):
        if time.monotonic() > limit:
            raise AssertionError(f"not within {within:g} s: {what or condition}; last seen: {value!r}")
        time.sleep(pause)
        pause = min(1.2 * pause, LOOK_AT_LAST_EVERY)
    return value


@dataclass(frozen=True)
class Mark:
    """A line of the witness file; `at` is on the machine's monotonic clock."""

    word: str
    run: int
    attempt: int
    job: str
    pid: int
    at: float

    @classmethod
    def of(cls, line: str) -> "Mark":
        word, run, attempt, job, pid, at = line.split()
        return cls(word, int(run), int(attempt), job, int(pid), float(at))


class Service:
    """One `scheduler-app serve` on a data folder, started as often as wanted, always on the port it got first."""

    listening = LISTENING

    def __init__(self, folder: Path, *, options: Iterable[str] = ()) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.witness = folder / "witness"
        self.port = 0
        self.log = folder / f"serve-{os.urandom(3).hex()}.log"
        self._options = ["--tasks", str(TASKS), *options]
        self.env = {**os.environ, "WITNESS": str(self.witness), "PYTHONFAULTHANDLER": "1"}
        self._written = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None

    @property
    def database(self) -> str | None:
        """The URL of the store, if it was given one."""
        options = self._options
        return options[options.index("--database") + 1] if "--database" in options else None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the service was not started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def command(self) -> list[str]:
        """The command line."""
        return [str(COMMAND), "serve", "--data", str(self.data), "--port", str(self.port), *self._options]

    def launch(self) -> None:
        """Start the process and return at once."""
        with self.log.open("ab") as log:
            self._written = log.tell()
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.folder,
                start_new_session=True,
            )

    def start(self, *, within: float = PATIENCE, ready: bool = True) -> "Service":
        """Start it and wait until it listens, and until it is ready."""
        self.launch()
        wait_until(self.listens, within=within, what="listening")
        if ready:
            wait_until(self.is_ready, within=within, what="ready")
        return self

    def said(self) -> str:
        """What it wrote since its last start."""
        return self.log.read_bytes()[self._written :].decode(errors="replace") if self.log.exists() else ""

    def listens(self) -> bool:
        found = self.listening.search(self.said())
        if found is None:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.said()}"
            return False
        if self.port != int(found[1]):
            self.port = int(found[1])
            self.close_client()
        return True

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2.0, verify=False).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        return (self.data / "admin.key").read_text().strip()

    @property
    def client(self) -> httpx.Client:
        """A client that carries the admin key; its paths begin below /api/v1."""
        if self._client is None:
            headers = {"Authorization": f"Bearer {self.key}"}
            self._client = httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=10.0, verify=False)
        return self._client

    def close_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def workers(self) -> list[int]:
        """The pids of its children that live."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(word) for word in children.read_text().split()] if children.exists() else []

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def signal_group(self, number: int) -> None:
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """kill -9 of the whole group, and wait until nothing of it is left."""
        with suppress(ProcessLookupError):
            self.signal_group(signal.SIGKILL)
        self.process.wait(10.0)

    def wait(self, within: float) -> int:
        """Wait for the end of the process and return its exit code."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there after {within} s: {self.stacks()}") from None

    def stacks(self) -> str:
        """End it with SIGSEGV, on which each of its processes says where its threads stand, and return what it said."""
        for pid in [*self.workers(), self.pid]:
            os.kill(pid, signal.SIGSEGV)
        self.process.wait(5.0)
        return self.said()

    def stop(self, within: float = 30.0) -> int:
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait(within)

    def state(self) -> str:
        """Return the end of its log, and its processes with what each waits for."""
        if self._process is None:
            return "not started"
        lines = self.said().splitlines()[-MOST_LINES:]
        for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda entry: int(entry.name)):
            with suppress(OSError):
                facts = dict(line.split(":\t", 1) for line in (entry / "status").read_text().splitlines())
                if self.pid in (os.getsid(int(entry.name)), os.getsid(int(facts["PPid"]))):
                    waits = sorted(path.read_text() for path in entry.glob("task/*/wchan"))
                    command = (entry / "cmdline").read_text().replace("\0", " ")[:100]
                    lines.append(f"{entry.name} of {facts['PPid']} {facts['State']}: {command} {waits}")
        return "\n".join(lines)

    def run_command(self, word: str) -> int:
        """Run another command of ours on the same store, and return its exit code; what it says is in the log."""
        words = [str(COMMAND), word, "--data", str(self.data), *self._options[2:]]
        with self.log.open("ab") as log:
            return subprocess.run(words, stdout=log, stderr=log, cwd=self.folder, timeout=60, check=False).returncode

    def clean_up(self) -> None:
        self.close_client()
        if self._process is not None:
            self.kill()

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, expect: int | None = None) -> Any:
        return answered(self.client.post(path, json=body or {}), expect)

    def get(self, path: str, **query: Any) -> Any:
        return answered(self.client.get(path, params=query), None)

    def run_now(self, task: str, *, within: float = PATIENCE, **body: Any) -> dict[str, Any]:
        """Add a one-off, wait for its run's final state and return the run."""
        return self.ended(self.add(task, **body), within=within)

    def add(self, task: str, **body: Any) -> int:
        """Add a one-off and return the id of its run."""
        return int(self.post("/jobs", {"task": task, **body}, expect=202)["last_run"]["id"])

    def add_until_answered(self, task: str, *, within: float = PATIENCE, **body: Any) -> int:
        """Add a one-off to a service whose worker may die under the request; it may be added more than once."""

        def attempt() -> int | None:
            with suppress(httpx.TransportError):
                return self.add(task, **body)
            return None

        return wait_until(attempt, within=within) or 0

    def ended(self, run_id: int, *, within: float = PATIENCE) -> dict[str, Any]:
        def final() -> Any:
            try:
                run = self.run(run_id)
            except httpx.TransportError:
                return None
            return run if run["state"] in FINAL else None

        return wait_until(final, within=within, what=f"run {run_id} ended")

    def run(self, run_id: int) -> dict[str, Any]:
        run: dict[str, Any] = self.get(f"/runs/{run_id}")
        return run

    def in_state(self, run_id: int, state: str, *, within: float = PATIENCE) -> dict[str, Any]:
        def there() -> Any:
            run = self.run(run_id)
            return run if run["state"] == state else None

        return wait_until(there, within=within, what=f"run {run_id} {state}")

    def runs(self, **query: Any) -> Iterator[dict[str, Any]]:
        """Every run, newest first."""
        page = self.get("/runs", limit=200, **query)
        yield from page["items"]
        while page["next_cursor"]:
            page = self.get("/runs", limit=200, cursor=page["next_cursor"], **query)
            yield from page["items"]

    def log_of(self, run_id: int) -> str:
        return str(self.get(f"/runs/{run_id}/log")["text"])

    def marks(self, word: str, run: int | None = None) -> list[Mark]:
        """The witness's lines of one kind, of one run or of all."""
        lines = self.witness.read_text().splitlines() if self.witness.exists() else []
        marks = [Mark.of(line) for line in lines]
        return [mark for mark in marks if mark.word == word and run in (None, mark.run)]


def answered(response: httpx.Response, expect: int | None) -> Any:
    assert response.status_code == expect if expect else response.is_success, f"{response.status_code}: {response.text}"
    return response.json() if response.content else None


@contextmanager
def serving(folder: Path, **options: Any) -> Iterator[Service]:
    """A service for a block, killed after it whatever happens."""
    service = Service(folder, **options)
    try:
        yield service.start()
    finally:
        service.clean_up()
