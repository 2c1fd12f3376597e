"""What an engine and a worker process say to each other: JSON, a line each, over a socket. Never pickle."""

import json
import select
import socket
import threading
from collections.abc import Mapping
from typing import Any

Message = dict[str, Any]
CHUNK = 256 * 1024


class Channel:
    """One end of the socket. Any thread may send, one receives."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._arrived = bytearray()
        self._arrivals = select.poll()
        self._arrivals.register(connection, select.POLLIN)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message. Raises OSError when nobody is there any more."""
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        with self._sending:
            self._connection.sendall(text.encode(errors="surrogatepass") + b"\n")

    def receive(self, seconds: float) -> Message | None:
        """Return the next message, None when none came in time; EOFError when none will come any more."""
        while b"\n" not in self._arrived:
            if not self._arrivals.poll(max(0.0, seconds) * 1000):
                return None
            try:
                data = self._connection.recv(CHUNK)
            except OSError:
                data = b""
            if not data:
                raise EOFError
            self._arrived += data
        line, _, self._arrived = self._arrived.partition(b"\n")
        message: Message = json.loads(line.decode(errors="surrogatepass"))
        return message

    def close(self) -> None:
        """Close this end."""
        self._connection.close()
