"""The bell: who commits something that is due writes a byte to a file, and who waits for it elsewhere wakes at once.

On Linux the kernel tells everybody who watches a file (inotify(7)), whatever process writes to it, and costs nothing
while it is quiet. Where it cannot, waiting for the bell is waiting until the time is over.
"""

import ctypes
import os
import select
import sys
import threading
from pathlib import Path

from scheduler_app.clock import SystemClock

IN_MODIFY = 0x2
MOST_READ = 4096
CLOCK = SystemClock()


class Bell:
    """What hears that a file is written to."""

    def __init__(self, path: Path) -> None:
        self._file = _watching(path)
        self._rings = select.poll()
        if self._file is not None:
            self._rings.register(self._file, select.POLLIN)

    def wait(self, seconds: float) -> bool:
        """Wait until it rings, at most for so long; whether it has rung since the last time."""
        if self._file is None:
            return CLOCK.wait(threading.Event(), seconds)
        if not self._rings.poll(seconds * 1000):
            return False
        os.read(self._file, MOST_READ)
        return True

    def close(self) -> None:
        """Hear nothing more."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _watching(path: Path) -> int | None:
    """Return a file of the kernel's that can be read when there was a write; None where it gives none (any more)."""
    if sys.platform != "linux":
        return None
    kernel = ctypes.CDLL(None)
    file: int = kernel.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if file < 0:
        return None
    if kernel.inotify_add_watch(file, os.fsencode(path), IN_MODIFY) < 0:
        os.close(file)
        return None
    return file
