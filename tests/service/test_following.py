"""Who follows what changes is told by a running service, and let go when it stops."""

import json
import signal
import threading
import time
from contextlib import suppress

import httpx

from tests.service.harness import Service, wait_until


class Follower(threading.Thread):
    """Reads a stream until it ends."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self._url = f"{service.url}/api/v1/events"
        self._key = service.key
        self.hints: list[dict[str, object]] = []
        self.status = 0
        self.start()

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self._key}"}
        with suppress(httpx.TransportError), httpx.stream("GET", self._url, headers=headers, timeout=30) as answer:
            self.status = answer.status_code
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    self.hints.append(json.loads(line[6:]))

    def heard(self, run: int) -> bool:
        return any(hint["kind"] == "run" and hint["id"] == run for hint in self.hints)


def test_a_run_is_heard_of_within_a_second_and_a_stop_ends_the_stream_at_once(service: Service) -> None:
    follower = Follower(service)
    wait_until(lambda: follower.status == 200, within=5.0)
    run = service.add("work")
    began = time.monotonic()
    wait_until(lambda: follower.heard(run), within=5.0)
    assert time.monotonic() - began < 3.0  # one second, and a slow machine

    service.close_client()
    service.signal(signal.SIGTERM)
    follower.join(3.0)
    assert not follower.is_alive()
    assert service.wait(within=5.0) == 0
    assert "Traceback" not in service.said()


def test_streams_leave_threads_for_everybody_else(service: Service) -> None:
    followers = [Follower(service) for _ in range(26)]
    wait_until(lambda: all(follower.status for follower in followers), within=10.0)

    assert sorted(follower.status for follower in followers) == [200] * 24 + [503] * 2
    began = time.monotonic()
    service.get("/jobs")
    assert time.monotonic() - began < 2.0
