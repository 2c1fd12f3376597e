"""gunicorn's threads with fewer hand-overs and system calls for each request, and none lost to clients that are slow.

Each hand-over and call costs a thread its turn at the interpreter. So a thread that has answered waits a moment for the
next request of its connection before it gives it back to the poller, the head of an answer leaves with the first piece
of its body, and the modes of the socket are only noted. A request whose head is not all there goes back to the poller,
with what has come of it, so that a thousand half requests hold no thread. So does a connection that is over, until its
client has closed it too: gunicorn's poller, which takes all connections, waits two seconds for each of these itself.
"""

import errno
import select
import selectors
import socket
import struct
from concurrent.futures import Future
from functools import partial
from typing import Any

from gunicorn.workers.gthread import _DEFER

from scheduler_app.cli.refusing import ProblemWorker
from scheduler_app.clock import SystemClock

CLOCK = SystemClock()
LINGER_SECONDS = 0.02
REQUEST_SECONDS = 30.0
LEAVE_SECONDS = 2.0
MOST_TAKEN_IN = 1024 * 1024
SEND_SECONDS = 30


class Wire(socket.socket):
    """A connection whose requests must arrive in time, and whose answers must be taken.

    The socket itself always blocks; what gunicorn sets is noted, and heeded where it has to wait.
    """

    def __init__(self, taken: socket.socket) -> None:
        super().__init__(fileno=taken.detach())
        super().settimeout(None)
        # a struct timeval, see socket(7)
        super().setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
        self._arrivals = select.poll()
        self._arrivals.register(self.fileno(), select.POLLIN)
        self._patience: float | None = None
        self._deadline = 0.0
        self._again = b""
        self._come: bytearray | None = None
        self._held_back = b""
        self._taken_in = 0
        self.is_unfinished = False

    def settimeout(self, value: float | None) -> None:
        """Note how long to wait for what arrives."""
        self._patience = value

    def setblocking(self, flag: bool) -> None:
        """Note whether to wait for what arrives."""
        self._patience = None if flag else 0.0

    def gettimeout(self) -> float | None:
        """Return what was noted."""
        return self._patience

    def expect_request(self, begun: bytes) -> None:
        """Give the client its time for a request, of which this has come; or go on with one that is not all there."""
        if self.is_unfinished:
            self.is_unfinished, self._again = False, bytes(self._come or b"")
            self._come = bytearray()
        else:
            self._deadline = CLOCK.monotonic() + REQUEST_SECONDS
            self._come = bytearray(begun)

    def head_has_come(self) -> None:
        """Keep nothing of the request any more: its thread stays with it from now on."""
        self._come = None

    def has_time(self) -> bool:
        """Whether the client may still send the rest of its request."""
        return CLOCK.monotonic() < self._deadline

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive what is there or arrives in time; ConnectionResetError when it does not."""
        if self._again:
            data, self._again = self._again[:size], self._again[size:]
        else:
            data = self._receive(size, flags)
        if self._come is not None:
            self._come += data
        return data

    def _receive(self, size: int, flags: int) -> bytes:
        try:
            return super().recv(size, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            if self._patience == 0.0:
                raise
        if not self.waits(self._longest_wait()):
            self.is_unfinished = self._come is not None
            raise ConnectionResetError(errno.ECONNRESET, "the rest of the request did not come in time")
        return super().recv(size, flags)

    def _longest_wait(self) -> float:
        if self._come is not None:
            return LINGER_SECONDS
        left = self._deadline - CLOCK.monotonic()
        return left if self._patience is None else min(left, self._patience)

    def waits(self, seconds: float) -> bool:
        """Whether something has arrived, or does within these seconds."""
        return bool(self._arrivals.poll(max(0.0, seconds) * 1000))

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send; the head of an answer that comes alone is held back for what follows it."""
        if not self._held_back and data.startswith(b"HTTP/") and data.endswith(b"\r\n\r\n"):
            self._held_back = data
            return
        head, self._held_back = self._held_back, b""
        super().sendall(head + data, flags)

    def flush(self) -> None:
        """Send the head of an answer that has no body."""
        if self._held_back:
            self.sendall(b"")

    def has_left(self) -> bool:
        """Take in what has come after the last answer; whether the client has closed the connection, or sends too much.

        A connection that is closed with bytes unread is reset, and its client may never see the answer (RFC 9112, 9.6).
        """
        try:
            while data := super().recv(65536, socket.MSG_DONTWAIT):
                self._taken_in += len(data)
                if self._taken_in > MOST_TAKEN_IN:
                    return True
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


class WireWorker(ProblemWorker):
    """gunicorn's threaded worker, whose threads stay with a busy connection and leave a slow one."""

    def handle(self, conn: Any) -> Any:
        """Answer the requests of a connection as long as they come one right after the other."""
        if not isinstance(conn.sock, Wire):
            conn.sock, conn.data_ready = Wire(conn.sock), True
        while True:
            conn.sock.expect_request(_read_ahead(conn))
            result = super().handle(conn)
            if conn.sock.is_unfinished:
                return self._put_back(conn)
            try:
                conn.sock.flush()
            except OSError:
                return False
            if not (result is True and self.alive and (_read_ahead(conn) or conn.sock.waits(LINGER_SECONDS))):
                return result

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request whose head has been read."""
        conn.sock.head_has_come()
        return super().handle_request(req, conn)

    def finish_request(self, conn: Any, fs: Future[Any]) -> None:
        """Let the poller go on with a connection; one that is over is closed once its client has, without waiting."""
        if fs.cancelled() or fs.exception() is not None or fs.result():
            super().finish_request(conn, fs)
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client has gone
            self._close(conn)
            return
        if conn.sock.has_left():
            self._close(conn)
            return
        conn.timeout = CLOCK.monotonic() + LEAVE_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._take_leave, conn))

    def _take_leave(self, conn: Any, _sock: socket.socket) -> None:
        if conn.sock.has_left():
            self.poller.unregister(conn.sock)
            self.pending_conns.remove(conn)
            self._close(conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    def _put_back(self, conn: Any) -> Any:
        """Let the poller wait for the rest of a request, which is then read from its beginning."""
        conn.parser, conn.initialized = None, False
        return _DEFER if conn.sock.has_time() else False


def _read_ahead(conn: Any) -> bytes:
    """Return what was read of the next request together with the last one."""
    return b"" if conn.parser is None else conn.parser.unreader.buf.getvalue()
