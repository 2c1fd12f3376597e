"""Which version of the time zone rules this process computes with.

`zoneinfo` takes the first of the folders in its search path that has a zone, and the package tzdata when none has it.
"""

import hashlib
import re
import zoneinfo
from functools import lru_cache
from pathlib import Path

from tzdata import IANA_VERSION

IANA = re.compile(r"\d{4}[a-z]+")


def rules_version() -> str:
    """Return the IANA version like `2026b`, or, of a folder that tells none, a digest of its files."""
    return _version_of(zoneinfo.TZPATH)


def is_newer(version: str, known: str) -> bool:
    """Tell whether the rules of `version` replace those of `known`; of what has no order, any other does."""
    if IANA.fullmatch(version) and IANA.fullmatch(known):
        return version > known
    return version != known


@lru_cache(maxsize=8)
def _version_of(path: tuple[str, ...]) -> str:
    folders = [Path(folder) for folder in path if Path(folder, "Europe").is_dir()]
    if folders:
        return _told(folders[0], "tzdata.zi") or _told(folders[0], "+VERSION") or _digest(folders[0])
    return str(IANA_VERSION)


def _told(folder: Path, name: str) -> str | None:
    """Return the version that the first line of a file tells, if there is one."""
    try:
        with folder.joinpath(name).open(encoding="ascii") as file:
            found = IANA.search(file.readline())
    except (OSError, UnicodeDecodeError):
        return None
    return found[0] if found else None


def _digest(folder: Path) -> str:
    total = hashlib.blake2b(digest_size=8)
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            total.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return f"digest-{total.hexdigest()}"
