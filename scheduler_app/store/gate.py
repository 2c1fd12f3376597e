"""The gate before SQLite's one writer.

SQLite has no queue for writers: it polls, and starves one of them. So every write transaction of every process runs
behind one lock: first a lock in the process, then a POSIX record lock on `<database>.gate`.

1. The file is opened once per process and never closed while the process lives: closing any descriptor of a file
   drops every record lock that the process holds on it (fcntl(2)).
2. A record lock is not inherited by a forked child and ends with its process, `kill -9` included.
3. A lock that is held elsewhere for longer than a moment is waited for by a thread of its own, because the kernel's
   wait has no time limit while ours has one.
4. The lock belongs to the process, not to a thread. So whoever comes after one who gave up takes over the thread that
   still waits; two would let one unlock what the other has just got.
"""

import fcntl
import os
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Protocol

from scheduler_app.errors import StoreUnavailable

GLANCES, GLANCE_EVERY = 6, 0.0002
RING = b"\n"


class Gate:
    """One writer at a time, across threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inner = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._left_behind: _Waiter | None = None
        self._never = threading.Lock()
        self._never.acquire()

    def held(self, patience: float) -> AbstractContextManager[None]:
        """Hold the gate; StoreUnavailable when it does not open within `patience` seconds."""
        return Held(self, patience)

    def enter(self, patience: float) -> None:
        """Wait until it is ours; who calls this must `leave`."""
        if not self._inner.acquire(timeout=patience):
            raise StoreUnavailable(f"another writer held the store for {patience:g} s; try again")
        try:
            self._enter(patience)
        except BaseException:
            self._inner.release()
            raise

    def _enter(self, patience: float) -> None:
        waiter, self._left_behind = self._left_behind, None
        if waiter is not None and waiter.adopt():
            self._wait(waiter, patience)
            return
        if not self._comes_free():
            waiter = _Waiter(self._file)
            waiter.start()
            self._wait(waiter, patience)

    def _comes_free(self) -> bool:
        """Take it if it is free, or will be in a moment: a commit takes no longer, as a rule; a thread costs more."""
        for _ in range(GLANCES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._never.acquire(timeout=GLANCE_EVERY)
            else:
                return True
        return False

    def leave(self) -> None:
        """Let the next one in."""
        fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._inner.release()

    def ring(self) -> None:
        """Wake the engines of other processes, which watch the file; those that miss it look by themselves."""
        with suppress(OSError):  # a full disk
            os.pwrite(self._file, RING, 0)

    def _wait(self, waiter: "_Waiter", patience: float) -> None:
        """Wait for the thread that stands in the kernel's queue; who gives up leaves it behind for the next."""
        if not waiter.opened.wait(patience) and waiter.abandon():
            self._left_behind = waiter
            raise StoreUnavailable(f"another process held {self._path.name} for {patience:g} s; try again")

    def close(self) -> None:
        """Close the file; only when no one of this process uses the store any more."""
        os.close(self._file)


class Door(Protocol):
    """What is entered and left."""

    def enter(self, patience: float) -> None:
        """Wait until it is ours."""

    def leave(self) -> None:
        """Let the next one in."""


class Held(AbstractContextManager[None]):
    """From entering to leaving; a class of its own, since a generator costs as much as the lock."""

    __slots__ = ("_door", "_patience")

    def __init__(self, door: Door, patience: float) -> None:
        self._door = door
        self._patience = patience

    def __enter__(self) -> None:
        self._door.enter(self._patience)

    def __exit__(self, *_: object) -> None:
        self._door.leave()


class _Waiter(threading.Thread):
    """Takes the record lock, or gives it back at once when nobody waits for it any more."""

    def __init__(self, file: int) -> None:
        super().__init__(name="scheduler-gate", daemon=True)
        self.opened = threading.Event()
        self._file = file
        self._abandoned = False
        self._gave_back = False
        self._deciding = threading.Lock()

    def run(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        with self._deciding:
            if self._abandoned:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
                self._gave_back = True
            else:
                self.opened.set()

    def abandon(self) -> bool:
        """Give up, unless the lock came in the meantime; return whether it was given up."""
        with self._deciding:
            self._abandoned = not self.opened.is_set()
            return self._abandoned

    def adopt(self) -> bool:
        """Wait for it again; False when the lock came after it was given up, and was given back."""
        with self._deciding:
            self._abandoned = False
            return not self._gave_back
