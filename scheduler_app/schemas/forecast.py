"""What will run, on the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from scheduler_app.domain.job import JobState
from scheduler_app.schemas.fields import Digits, Limit, WireIn, WireOut

A_YEAR = 366 * 86400


class ForecastQuery(WireIn):
    """How far a forecast looks."""

    limit: Limit = Field(10, description="Most times to tell.")


class UpcomingQuery(WireIn):
    """How far ahead to look."""

    within: Annotated[int, Field(ge=1, le=A_YEAR), Digits] = Field(600, description="Seconds from now.")
    limit: Limit = Field(100, description="Most firings to tell.")


class ForecastOut(WireOut):
    """When a job will run, as things stand."""

    job_id: str
    name: str
    task: str
    state: JobState
    next_run_times: list[datetime] = Field(description="Pauses, skips and ends are honoured.")
    why: str | None = Field(description="What keeps it from running, or from running sooner.")


class UpcomingItemOut(WireOut):
    """A job that will run."""

    job_id: str
    name: str
    task: str
    next_run_times: list[datetime]


class UpcomingOut(WireOut):
    """Which jobs will run, the first one first."""

    items: list[UpcomingItemOut]
    until: datetime
    complete: bool = Field(description="False when there are more firings than `limit`.")
    why: str | None = Field(description="Why there are none.")
