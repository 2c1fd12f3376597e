"""Clients that cost little beside the server: `python -m tests.benchmarks.clients '{…}'`, one process, a few threads.

A thread keeps one connection open, writes a request that is ready made, and reads the answer up to its
Content-Length. Nothing else is parsed, since on a small machine every microsecond here is taken from the server.
"""

import json
import os
import resource
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

TIMEOUT = 60.0
LENGTH = b"content-length:"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a client process does: submit the jobs whose ids these ranges give, a thread for each range."""

    port: int
    path: str
    good: int
    headers: dict[str, str]
    body: dict[str, Any]
    prefix: str
    ranges: list[list[int]]


@dataclass(kw_only=True)
class Report:
    """What a client process saw: the time of the first request and the last answer, and seconds for each answer."""

    begun: float = 0.0
    ended: float = 0.0
    cpu_seconds: float = 0.0
    seconds: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Wire:
    """One connection that is kept alive."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and return the status and the body of its answer."""
        self._socket.sendall(request)
        data = self._receive()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive()
        whole = end + 4 + _length(data[:end])
        while len(data) < whole:
            data += self._receive()
        return int(data[9:12]), data[end + 4 :]

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed a connection that should be kept alive")
        return data

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _length(head: bytes) -> int:
    lower = head.lower()
    start = lower.find(LENGTH)
    if start < 0:
        raise ValueError(f"an answer without Content-Length: {head[:80]!r}")
    return int(lower[start + len(LENGTH) :].split(b"\r\n", 1)[0])


def request_for(order: Order, number: int) -> bytes:
    """Return the bytes of one submit."""
    body = json.dumps({"id": f"{order.prefix}-{number}", **order.body}).encode()
    headers = {
        "Host": f"127.0.0.1:{order.port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **order.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {order.path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Client(threading.Thread):
    """Submits the jobs of one range, one after the other."""

    def __init__(self, order: Order, numbers: range, start: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self.refused: list[str] = []
        self._wire = Wire(order.port)
        self._requests = [request_for(order, number) for number in numbers]
        self._good = order.good
        self._barrier = start

    def run(self) -> None:
        try:
            self._barrier.wait()
            for request in self._requests:
                self._submit(request)
        except (OSError, ValueError) as error:
            self.refused.append(f"{type(error).__name__}: {error}")
        finally:
            self._wire.close()

    def _submit(self, request: bytes) -> None:
        start = time.perf_counter()
        status, body = self._wire.ask(request)
        self.seconds.append(time.perf_counter() - start)
        if status != self._good:
            self.refused.append(f"{status}: {body[:200].decode(errors='replace')}")


def serve_order(order: Order) -> Report:
    """Connect, say so, wait for the word to begin, submit, and return what was seen."""
    barrier = threading.Barrier(len(order.ranges) + 1)
    clients = [Client(order, range(*bounds), barrier) for bounds in order.ranges]
    for client in clients:
        client.start()
    print("ready", flush=True)
    sys.stdin.readline()
    report = Report(begun=time.monotonic())
    before = _cpu()
    barrier.wait()
    for client in clients:
        client.join()
    report.ended, report.cpu_seconds = time.monotonic(), _cpu() - before
    report.seconds = [seconds for client in clients for seconds in client.seconds]
    report.refused = [refusal for client in clients for refusal in client.refused][:3]
    return report


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(asdict(serve_order(Order(**json.loads(sys.argv[1]))))), flush=True)
    os._exit(0)
