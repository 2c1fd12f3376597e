"""Health on the wire."""

from typing import Any, Literal

from pydantic import Field

from scheduler_app.schemas.fields import WireOut


class HealthOut(WireOut):
    """The process answers."""

    status: Literal["ok"]


class ReadyOut(WireOut):
    """Whether the process may get work."""

    ready: bool
    engine: Literal["here", "drained", "none"] = Field(
        description="Whether this process runs an engine, and whether that is drained; else jobs are accepted, and run "
        "by engines elsewhere."
    )
    checks: dict[str, Any] = Field(description="What that was judged by.")
