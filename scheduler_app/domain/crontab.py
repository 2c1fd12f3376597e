"""A crontab as people have one: which of its lines are jobs, and what each of the others is.

The format is that of crontab(5) of Debian for users: five fields or a nickname, then the command; settings and remarks
between them. A percent sign, which cron reads as the end of a line, ends the command here too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

MOST_LINES = 500
_SETTING = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*\s*=")
_ENTRY = re.compile(r"\s*(?P<when>@\S+|(?:\S+\s+){4}\S+)\s+(?P<command>\S.*)")
_UNFIT = re.compile(r"[^A-Za-z0-9._:]+")
_PERCENT = re.compile(r"(?<!\\)%")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A line that names a time and a command; both are empty where the line could not be read."""

    number: int
    text: str
    expression: str
    command: str

    @property
    def slug(self) -> str:
        """Return an id after what the command is called, `backup-orders` for `/usr/bin/backup.sh orders`."""
        words = self.command.split()
        program = PurePosixPath(words[0]).stem if words else ""
        slug = _UNFIT.sub("-", " ".join([program, *words[1:3]])).strip("-._:")[:100].strip("-._:")
        return slug or f"line-{self.number}"


def entries(text: str) -> Iterator[Entry]:
    """Yield the lines of a crontab that are jobs, or are neither jobs nor settings nor remarks."""
    for number, line in enumerate(text.splitlines()[:MOST_LINES], start=1):
        if not line.strip() or line.lstrip().startswith("#") or _SETTING.match(line):
            continue
        found = _ENTRY.fullmatch(line)
        when = " ".join(found["when"].split()) if found else ""
        command = _PERCENT.split(found["command"], maxsplit=1)[0].strip() if found else ""
        yield Entry(number=number, text=line.strip(), expression=when, command=command)
