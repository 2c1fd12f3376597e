"""Which errors are the same: of the same type, with the same words, raised in the same place of the user's own code."""

import hashlib
import re

from scheduler_app.domain.run import RunError

# what differs from run to run: addresses, ids, times, counts
_VARIES = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b[0-9a-f]{12,}\b|\d+(?:[.,:]\d+)*", re.IGNORECASE
)
_FRAME = re.compile(r'^\s*File "([^"]*)", line \d+, in (.+)$', re.MULTILINE)
_LIBRARY = re.compile(r"[/\\](site-packages|dist-packages|lib[/\\]python[\d.]+)[/\\]|^<")
MOST_WORDS = 1_000


def error_key(error: RunError) -> str:
    """Return what is the same for all errors that are."""
    words = " ".join(_VARIES.sub("#", error.message[:MOST_WORDS]).split())
    return hashlib.sha256("\n".join((error.type, words, *_place(error.traceback))).encode()).hexdigest()[:16]


def _place(traceback: str) -> tuple[str, str]:
    """Return the file and the function of the innermost frame that is no library's; of any, when all are."""
    frames: list[tuple[str, str]] = _FRAME.findall(traceback)
    own = [frame for frame in frames if not _LIBRARY.search(frame[0])]
    return (own or frames or [("", "")])[-1]
