"""A number of the ruled row at the top of a page."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A number; `states` are those of the runs that sum to it, `page` is another page that tells more.

    `since` is the RFC 3339 time from which those that have ended count, where not all do.
    """

    name: str
    title: str
    value: str
    unit: str = ""
    note: str = ""
    tone: str = ""
    shape: str = ""
    states: str = ""
    since: str | None = None
    page: str = ""
