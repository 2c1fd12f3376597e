"""A log as lines: number, time, level and text.

Colours of ANSI (ECMA-48, section 8.3.117) become ours; whatever else a terminal would obey is shown. What was printed
has no time and no level: it belongs to the record before it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from scheduler_app.store.logs import LogChunk

LEVELS = {"DEBUG": "debug", "INFO": "info", "WARNING": "warn", "ERROR": "error", "CRITICAL": "error"}
COLOURS = {1: "failed", 2: "succeeded", 3: "missed", 4: "now", 5: "paused", 6: "now", 0: "quiet", 7: "quiet"}
BOLD, BASIC, BRIGHT = 1, range(30, 38), range(90, 98)
_RECORD = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) ([A-Z][A-Z0-9_]{1,15}|Level \d+) ?(.*)", re.DOTALL)
_SEQUENCE = re.compile(
    r"\x1b\[([0-9;]{0,32})m|\x1b\[[0-?]{0,32}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A part of a line in one colour; `look` names it, empty for that of the text around."""

    look: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of a log. `dropped` is how many bytes before it were not kept."""

    number: int
    at: datetime | None
    level: str
    spans: tuple[Span, ...]
    dropped: int = 0


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Some lines of a log of `total`; `before` is the first one's number if there are lines before it."""

    shown: tuple[Line, ...]
    total: int
    before: int | None


def window(chunks: Sequence[LogChunk], *, until: int | None, most: int) -> Lines:
    """Return at most so many lines of a log, the last ones, or those before line `until`."""
    raw = list(_split(chunks))
    end = len(raw) if until is None else max(0, min(len(raw), until - 1))
    begin = max(0, end - most)
    level = ""
    shown = []
    for number in range(begin, end):
        line = _line(number + 1, *raw[number], level)
        level = line.level
        shown.append(line)
    return Lines(shown=tuple(shown), total=len(raw), before=begin + 1 if begin else None)


def plain(chunks: Iterable[LogChunk]) -> Iterator[bytes]:
    """Yield a log as it was written, with a note where the middle was dropped."""
    end = None
    for chunk in chunks:
        if end is not None and chunk.start > end:
            yield f"\n[{chunk.start - end} bytes were not kept]\n".encode()
        yield chunk.data
        end = chunk.start + len(chunk.data)


def _split(chunks: Iterable[LogChunk]) -> Iterator[tuple[bytes, int]]:
    """Yield lines, each with how many bytes were dropped before it."""
    rest, dropped, end = b"", 0, None
    for chunk in chunks:
        if end is not None and chunk.start > end:
            if rest:
                yield rest, dropped
            rest, dropped = b"", chunk.start - end
        *whole, rest = (rest + chunk.data).split(b"\n")
        for line in whole:
            yield line, dropped
            dropped = 0
        end = chunk.start + len(chunk.data)
    if rest:
        yield rest, dropped


def _line(number: int, data: bytes, dropped: int, level: str) -> Line:
    text = data.decode(errors="backslashreplace").rstrip("\r")
    record = _RECORD.fullmatch(text)
    at = None
    if record is not None:
        at, level, text = _moment(record[1]), LEVELS.get(record[2], "info"), record[3]
    return Line(number=number, at=at, level=level, spans=tuple(spans_of(text)), dropped=dropped)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def spans_of(text: str) -> Iterator[Span]:
    """Yield the parts of a text; every character that could act on a terminal, or turn the text around, is shown."""
    colour, bold, begin = "", "", 0
    for match in _SEQUENCE.finditer(text):
        if match.start() > begin:
            yield Span(look=f"{colour} {bold}".strip(), text=shown(text[begin : match.start()]))
        begin = match.end()
        if match[1] is not None:
            colour, bold = _after(match[1], colour, bold)
    if begin < len(text):
        yield Span(look=f"{colour} {bold}".strip(), text=shown(text[begin:]))


def shown(text: str) -> str:
    """Return a text with control characters as hex escapes."""
    return _CONTROL.sub(lambda match: _escape(ord(match[0])), text)


def _escape(point: int) -> str:
    return f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}"


def _after(codes: str, colour: str, bold: str) -> tuple[str, str]:
    for code in (int(part or 0) for part in codes.split(";")):
        if code in (38, 48):  # a colour of the larger palettes follows
            break
        if code == 0:
            colour = bold = ""
        elif code == BOLD:
            bold = "bold"
        elif code in BASIC or code in BRIGHT:
            colour = COLOURS[code % 10]
        elif code == 22:
            bold = ""
        elif code == 39:
            colour = ""
    return colour, bold
