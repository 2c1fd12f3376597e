"""Keep what a task logs and prints with its run, and let it pass to where it went before.

Log records are seen through the record factory, not by a handler on the root logger: a handler there would silence
`logging.basicConfig` and the last-resort output of the application.
"""

import io
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

from scheduler_app.clock import rfc3339
from scheduler_app.engine.execution import Execution, executing

_formatter = logging.Formatter()
_lock = threading.Lock()
_users = 0
_undo: list[Callable[[], None]] = []
_tees: dict[str, "Tee"] = {}


def install() -> None:
    """Begin to capture in this process; may be called several times."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _undo.extend([_capture_records(), _capture_stream("stdout"), _capture_stream("stderr")])


def uninstall() -> None:
    """End what the last `install` began."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            while _undo:
                _undo.pop()()


def _capture_records() -> Callable[[], None]:
    before = logging.getLogRecordFactory()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        execution = executing()
        if execution is not None:
            _keep(execution, record)
        return record

    def undo() -> None:
        if logging.getLogRecordFactory() is make:
            logging.setLogRecordFactory(before)

    logging.setLogRecordFactory(make)
    return undo


def _keep(execution: Execution, record: logging.LogRecord) -> None:
    try:
        text = record.getMessage()
    except Exception as error:  # noqa: BLE001 - a wrong log call must not fail the task; logging itself only prints
        text = f"{record.msg!r} with arguments that do not fit it ({type(error).__name__})"
    if record.exc_info and record.exc_info[0] is not None:
        text += "\n" + _formatter.formatException(record.exc_info)
    execution.log.line(f"{_time(execution)} {record.levelname} {text}")


def _time(execution: Execution) -> str:
    return rfc3339(execution.clock.now().replace(microsecond=0)) if execution.started_at else ""


def _capture_stream(name: str) -> Callable[[], None]:
    before = getattr(sys, name)
    tee = _tee(name, before)
    setattr(sys, name, tee)

    def undo() -> None:
        if getattr(sys, name) is tee:
            setattr(sys, name, before)

    return undo


def _tee(name: str, stream: TextIO) -> "Tee":
    """Return what stands in for a stream; the same one for as long as the stream is the same."""
    tee = _tees.get(name)
    if tee is None or tee.stream is not stream:
        tee = _tees[name] = Tee(stream)
    return tee


class Tee(io.TextIOBase):
    """A text stream that also writes to the log of the run that executes, line by line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write to the stream, and to the current run's log."""
        execution = executing()
        if execution is not None:
            execution.log.text(text)
        return self.stream.write(text)

    def flush(self) -> None:
        """Flush the stream, unless it was closed meanwhile, as at the end of a process."""
        if not self.stream.closed:
            self.stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's encoding."""
        return self.stream.encoding

    @property
    def buffer(self) -> Any:
        """The stream's bytes."""
        return self.stream.buffer
