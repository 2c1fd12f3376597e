"""An app, and real servers around one, on a free port."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from flask import Flask

from scheduler_app import Scheduler

DEADLINE = 60.0


def until(condition: Callable[[], object], seconds: float = DEADLINE) -> object:
    """Return what `condition` gives as soon as that is true; fail after a deadline."""
    limit = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < limit, f"not within {seconds} s: {condition}"
        time.sleep(0.05)
    return value


@dataclass
class Running:
    """A server of a user's app, in a folder."""

    process: subprocess.Popen[bytes]
    url: str
    folder: Path

    @property
    def headers(self) -> dict[str, str]:
        """What the API wants to see."""
        return {"Authorization": f"Bearer {(self.folder / 'instance' / 'admin.key').read_text().strip()}"}

    def api(self, path: str) -> dict:
        """Read from the API."""
        answer = httpx.get(f"{self.url}/scheduler/api/v1{path}", headers=self.headers, verify=False)
        answer.raise_for_status()
        return answer.json()

    def answers(self) -> bool:
        """Whether the server is there, with its engine."""
        assert self.process.poll() is None, f"it ended with {self.process.returncode}"
        try:
            ready = httpx.get(f"{self.url}/scheduler/readyz", verify=False)
        except httpx.TransportError:
            return False
        return ready.status_code == 200 and "engine" in ready.json()["checks"]


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """An app whose Scheduler may import what stands below tests.aps."""
    app = Flask(__name__, instance_path=str(tmp_path / "instance"))
    app.config |= {"SCHEDULER_ENGINE": "off", "SCHEDULER_TASK_MODULES": ["tests.aps"], "SCHEDULER_TIMEZONE": "UTC"}
    Scheduler(app)
    return app


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a server by its command line; `PORT` in it is replaced. It is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str, *command: str) -> Running:
        (tmp_path / "app.py").write_text(program)
        port = _free_port()
        words = [word.replace("PORT", str(port)) for word in command]
        with (tmp_path / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [Path(sys.executable).parent / words[0], *words[1:]],
                cwd=tmp_path,
                env=_environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        running = Running(process=process, url=f"http://127.0.0.1:{port}", folder=tmp_path)
        until(running.answers)
        return running

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("FLASK_", "SCHEDULER_"))}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
