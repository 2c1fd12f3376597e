"""The connection under the web threads: what leaves together, and who has to wait for whom."""

import socket
import threading
from collections.abc import Iterator

import pytest

from scheduler_app.cli import wire
from scheduler_app.cli.wire import Wire


@pytest.fixture
def pair() -> Iterator[tuple[Wire, socket.socket]]:
    """Our end of a connection, and the client's."""
    ours, client = socket.socketpair()
    client.settimeout(5)
    wired = Wire(ours)
    yield wired, client
    wired.close()
    client.close()


def test_the_head_of_an_answer_leaves_with_the_first_piece_of_its_body(pair):
    ours, client = pair
    ours.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(100)
    ours.sendall(b"body")
    assert client.recv(100) == b"HTTP/1.1 200 OK\r\n\r\nbody"


def test_every_later_piece_leaves_at_once(pair):
    ours, client = pair
    ours.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for piece in (b"one", b"two", b"HTTP/ in a body"):
        ours.sendall(piece)
    ours.flush()
    assert client.recv(100) == b"HTTP/1.1 200 OK\r\n\r\nonetwoHTTP/ in a body"


def test_a_head_without_a_body_leaves_when_the_answer_is_over(pair):
    ours, client = pair
    ours.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    ours.flush()
    assert client.recv(100) == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_half_a_head_is_read_again_from_its_beginning_once_more_has_come(pair, monkeypatch):
    ours, client = pair
    monkeypatch.setattr(wire, "LINGER_SECONDS", 0.0)
    ours.expect_request(b"GE")
    client.sendall(b"T / HT")
    assert ours.recv(100) == b"T / HT"
    with pytest.raises(ConnectionResetError):
        ours.recv(100)
    assert ours.is_unfinished
    client.sendall(b"TP/1.1")
    ours.expect_request(b"")
    assert (ours.recv(4), ours.recv(100), ours.recv(100)) == (b"GET ", b"/ HT", b"TP/1.1")
    assert not ours.is_unfinished


def test_a_client_has_no_more_time_because_it_sends_little_by_little(pair, monkeypatch):
    ours, _client = pair
    monkeypatch.setattr(wire, "REQUEST_SECONDS", 0.0)
    monkeypatch.setattr(wire, "LINGER_SECONDS", 0.0)
    ours.expect_request(b"")
    assert not ours.has_time()
    monkeypatch.setattr(wire, "REQUEST_SECONDS", 60.0)
    with pytest.raises(ConnectionResetError):
        ours.recv(100)
    ours.expect_request(b"")
    assert not ours.has_time()


def test_a_body_that_stops_in_the_middle_ends_the_connection_in_time(pair, monkeypatch):
    ours, client = pair
    monkeypatch.setattr(wire, "REQUEST_SECONDS", 0.05)
    ours.expect_request(b"")
    ours.head_has_come()
    client.sendall(b"half")
    assert ours.recv(100) == b"half"
    with pytest.raises(ConnectionResetError):
        ours.recv(100)
    assert not ours.is_unfinished


def test_a_body_that_takes_its_time_is_waited_for(pair):
    ours, client = pair
    ours.expect_request(b"")
    ours.head_has_come()
    sender = threading.Timer(0.05, client.sendall, [b"late"])
    sender.start()
    assert ours.recv(100) == b"late"
    sender.join()


def test_modes_are_noted_and_heeded_where_it_would_wait(pair):
    ours, _client = pair
    ours.setblocking(False)
    assert ours.gettimeout() == 0.0
    with pytest.raises(BlockingIOError):
        ours.recv(100)
    ours.expect_request(b"")
    ours.head_has_come()
    ours.settimeout(0.01)
    with pytest.raises(ConnectionResetError):
        ours.recv(100)
