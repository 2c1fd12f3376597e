"""A traceback as groups of frames: own code is marked, what lies in libraries is folded."""

import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePath

PACKAGE = str(Path(__file__).parents[1])
STDLIB = sysconfig.get_path("stdlib")
SHOWN_PARTS = 3
_FRAME = re.compile(r'  File "(?P<path>[^"]{1,1000})", line (?P<line>\d+)(?:, in (?P<name>.{1,400}))?')
_LIBRARY = re.compile(r"(?:site|dist)-packages[/\\]([^/\\]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One call, or words between calls: then it has no `place`."""

    place: str
    name: str
    code: str
    library: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Frames in a row that are all of the user, or all of libraries, whose names are told."""

    frames: tuple[Frame, ...]
    libraries: str

    @property
    def is_own(self) -> bool:
        """Whether the frames are of the user."""
        return not self.libraries


def groups_of(traceback: str) -> list[Group]:
    """Return the frames of a traceback, as groups; words between chained errors stand as they are."""
    frames_found = list(_frames(traceback))
    if frames_found and not frames_found[-1].place:
        del frames_found[-1]  # the error itself, which stands above
    found = []
    for is_library, frames in groupby(frames_found, key=lambda frame: bool(frame.library)):
        kept = tuple(frames)
        names = list(dict.fromkeys(frame.library for frame in kept))
        found.append(Group(frames=kept, libraries=", ".join(names) if is_library else ""))
    return found


def _frames(traceback: str) -> Iterator[Frame]:
    place = name = library = ""
    code: list[str] = []
    for line in traceback.splitlines():
        match = _FRAME.fullmatch(line)
        if match is None and line.startswith("    ") and place:
            if line.strip(" ^~"):
                code.append(line[4:])
            continue
        if place:
            yield Frame(place=place, name=name, code="\n".join(code), library=library)
        place, code = "", []
        if match is not None:
            place, name = f"{_short(match['path'])}:{match['line']}", match["name"] or ""
            library = _library(match["path"])
        elif line.strip() and not line.startswith("Traceback "):
            yield Frame(place="", name="", code=line, library="")
    if place:
        yield Frame(place=place, name=name, code="\n".join(code), library=library)


def _short(path: str) -> str:
    return "/".join(PurePath(path).parts[-SHOWN_PARTS:])


def _library(path: str) -> str:
    """Return which library a file belongs to; empty for the code of the user."""
    installed = _LIBRARY.search(path)
    if installed:
        return PurePath(installed[1]).stem
    if path.startswith(PACKAGE):
        return "scheduler_app"
    if path.startswith((STDLIB, "<frozen")) or re.search(r"[/\\]lib[/\\]python3\.\d+[/\\]", path):
        return PurePath(path).stem.strip("<>").replace("frozen ", "")
    return ""
