"""Clients that are slow, many or impatient, on a running service: none of them keeps the others waiting."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.service.harness import Service

MORE_THAN_THREADS = 100
LAST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
ASK = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def dial(shared: Service) -> Iterator:
    """Opens connections to the service, all closed at the end."""
    with ExitStack() as opened:

        def connect() -> socket.socket:
            return opened.enter_context(socket.create_connection(("127.0.0.1", shared.port), timeout=10))

        yield connect


def answers(connection: socket.socket, count: int) -> bytes:
    """What comes until so many answers are there."""
    received = b""
    while received.count(b"HTTP/1.1 200 OK") < count or not received.endswith(b"}"):
        received += connection.recv(65536)
    return received


@pytest.mark.slow
@pytest.mark.parametrize("half", [b"", b"G", ASK[:-2], b"POST /api/v1/jobs HTTP/1.1\r\nContent-Length: 9\r\n"])
def test_more_half_requests_than_threads_keep_nobody_waiting(shared, dial, half):
    for _ in range(MORE_THAN_THREADS):
        dial().sendall(half)
    began = time.monotonic()
    for _ in range(5):
        assert httpx.get(f"{shared.url}/healthz", timeout=10).status_code == 200
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_clients_that_do_not_close_what_is_over_keep_nobody_waiting(shared, dial):
    began = time.monotonic()
    for _ in range(MORE_THAN_THREADS):
        connection = dial()
        connection.sendall(LAST)
        assert answers(connection, 1)
    assert httpx.get(f"{shared.url}/healthz", timeout=10).status_code == 200
    assert time.monotonic() - began < 30, "each would take the service two seconds"
    assert connection.recv(1) == b"", "ours is closed"


@pytest.mark.slow
def test_what_is_sent_after_the_last_answer_loses_nobody_that_answer(shared, dial):
    connection = dial()
    connection.sendall(LAST + b"more" * 100_000)
    assert answers(connection, 1).endswith(b"}")


@pytest.mark.slow
def test_more_kept_connections_than_threads_are_all_answered_again_and_again(shared, dial):
    connections = [dial() for _ in range(MORE_THAN_THREADS)]
    for _ in range(3):
        for connection in connections:
            connection.sendall(ASK)
        assert all(answers(connection, 1) for connection in connections)


@pytest.mark.slow
def test_a_request_that_comes_byte_by_byte_is_answered(shared, dial):
    connection = dial()
    for number in range(len(ASK)):
        connection.sendall(ASK[number : number + 1])
        if number % 8 == 0:
            time.sleep(0.03)  # longer than a thread waits for the rest
    assert answers(connection, 1)


@pytest.mark.slow
def test_requests_that_are_sent_together_are_answered_one_after_the_other(shared, dial):
    connection = dial()
    connection.sendall(ASK * 5 + ASK[:20])
    assert answers(connection, 5).count(b"HTTP/1.1 200 OK") == 5
    connection.sendall(ASK[20:])
    assert answers(connection, 1)


@pytest.mark.slow
def test_who_expects_100_continue_is_told_to(shared, dial):
    connection = dial()
    body = b'{"task": "work", "trigger": {"type": "interval", "hours": 1}}'
    head = (
        b"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (shared.key.encode(), len(body))
    )
    connection.sendall(head)
    assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(body)
    assert connection.recv(65536).startswith(b"HTTP/1.1 201")
