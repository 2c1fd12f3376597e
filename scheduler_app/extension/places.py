"""Where in the code something is declared, in words, and whether that code is still being loaded."""

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from flask import has_request_context

from scheduler_app.aps.declarations import Declared
from scheduler_app.services.references import is_of_library

PACKAGE = "scheduler_app."
MAIN = "__main__"


def listed(jobs: Sequence[Mapping[str, Any]]) -> list[Declared]:
    """Return the jobs of the configuration, each with its place there."""
    return [Declared(given=dict(job), place=f"SCHEDULER_JOBS[{number}]") for number, job in enumerate(jobs)]


def frames(frame: FrameType | None = None) -> Iterator[FrameType]:
    """Return who is calling, or called a frame, the innermost first."""
    frame = frame or sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(PACKAGE)


def caller() -> str:
    """Return `file:line` of the code that called us."""
    frame = next(frame for frame in frames() if not _is_ours(frame))
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def is_script() -> bool:
    """Whether a script of the user's calls us outside of any request: `python app.py`, from top to bottom."""
    if threading.get_ident() != threading.main_thread().ident or has_request_context():
        return False
    main = getattr(sys.modules.get(MAIN), "__file__", None)
    if main is None:
        return False
    return _is_of_user(main) and any(
        frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == MAIN for frame in frames()
    )


@lru_cache(maxsize=16)
def _is_of_user(main: str) -> bool:
    """Whether the program that runs is neither Python's nor a library's."""
    file = Path(main).absolute()
    return file.parent != Path(sys.executable).parent and not is_of_library(file)


def is_importing() -> bool:
    """Whether a module that is being imported calls us."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:  # each `add_job` asks this; `frames` would take twice as long
        if getattr(frame.f_globals.get("__spec__"), "_initializing", False) and not _is_ours(frame):
            return True
        frame = frame.f_back
    return False


def is_imported() -> bool:
    """Whether a module says it while any other program than a script of the user's imports it, as each of them will."""
    return not has_request_context() and is_importing() and not is_script()


def shortened(place: str) -> str:
    """Return a place below the working folder as seen from there, another one by the end of its path."""
    path = Path(place)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(Path(*path.parts[-2:]))
