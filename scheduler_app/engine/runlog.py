"""What a run logs and prints: kept in memory until the next pass writes it, the first and the last 512 KiB of it."""

import threading
from collections import deque
from collections.abc import Iterable

from scheduler_app.store.logs import KEPT_END, LogPiece

PIECE = 16 * 1024


class RunLog:
    """Collects lines of one attempt. `drain` hands over what came since the last time, with its position."""

    def __init__(self) -> None:
        self.base: int | None = None
        self._lock = threading.Lock()
        self._head: list[tuple[int, bytes]] = []
        self._tail: deque[tuple[int, bytes]] = deque()
        self._tail_size = 0
        self._position = 0
        self._partial = ""

    @property
    def has_lines(self) -> bool:
        """Whether there is something to drain."""
        return bool(self._head or self._tail)

    def line(self, text: str) -> None:
        """Add a line."""
        data = (text.replace("\0", "\\0") + "\n").encode(errors="backslashreplace")
        with self._lock:
            self._add(data)

    def add(self, pieces: Iterable[LogPiece]) -> None:
        """Add what was collected elsewhere, where the positions are counted."""
        with self._lock:
            for piece in pieces:
                self._position = piece.start
                self._add(piece.data)

    def text(self, text: str) -> None:
        """Add printed text: whole lines now, an unfinished one when it ends or the attempt does."""
        whole, newline, rest = (self._partial + text).rpartition("\n")
        self._partial = rest
        if newline:
            self.line(whole)
        if len(self._partial) > PIECE:
            self.close()

    def close(self) -> None:
        """Add an unfinished line."""
        partial, self._partial = self._partial, ""
        if partial:
            self.line(partial)

    def _add(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE):
            self._add_piece(data[start : start + PIECE])

    def _add_piece(self, piece: bytes) -> None:
        """Keep a piece; of what lies beyond the first 512 KiB only the last 512 KiB."""
        entry = (self._position, piece)
        self._position += len(piece)
        if entry[0] < KEPT_END:
            self._head.append(entry)
            return
        self._tail.append(entry)
        self._tail_size += len(piece)
        while self._tail_size > KEPT_END + PIECE:
            self._tail_size -= len(self._tail.popleft()[1])

    def drain(self) -> list[LogPiece]:
        """Return what was added since the last call, neighbours joined."""
        with self._lock:
            lines = [*self._head, *self._tail]
            self._head, self._tail, self._tail_size = [], deque(), 0
        pieces: list[LogPiece] = []
        batch: list[bytes] = []
        begin = end = 0
        for position, data in lines:
            if batch and (position != end or end - begin >= PIECE):
                pieces.append(LogPiece(start=begin, data=b"".join(batch)))
                batch = []
            begin = begin if batch else position
            batch.append(data)
            end = position + len(data)
        if batch:
            pieces.append(LogPiece(start=begin, data=b"".join(batch)))
        return pieces
