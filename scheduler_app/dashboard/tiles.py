"""A number of the ruled row at the top of a page."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A number; `states` are those of the runs that sum to it, `page` is another page that tells more."""

    name: str
    title: str
    value: str
    unit: str = ""
    note: str = ""
    tone: str = ""
    shape: str = ""
    states: str = ""
    page: str = ""
