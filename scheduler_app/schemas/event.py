"""Hints on the wire."""

from typing import Literal

from pydantic import Field

from scheduler_app.schemas.fields import WireOut


class HintOut(WireOut):
    """The data of an event: something changed, so look again."""

    kind: Literal["run", "job", "scheduler", "all"] = Field(description="`all`: there was too much to tell.")
    id: int | str | None = Field(description="Which run or job; null of `scheduler` and `all`.")
    version: int = Field(description="When that was seen, in microseconds since 1970: the larger, the later.")
