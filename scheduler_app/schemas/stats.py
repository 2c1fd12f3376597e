"""What has happened and what is planned, in numbers, on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from scheduler_app.domain.run import RunState
from scheduler_app.schemas.fields import Digits, QueryMoment, WireIn, WireOut

YEARS = range(1970, 9000)
IN_YEARS = r"^(19[7-9]|[2-8][0-9]{2})[0-9]-"


def _with_room(moment: datetime) -> datetime:
    # a zone may put it into the year beside
    if not YEARS[0] - 1 <= moment.year <= YEARS[-1] + 1:
        raise ValueError(f"must lie in the years {YEARS[0]} to {YEARS[-1]}")
    return moment


InReach = Annotated[
    QueryMoment,
    AfterValidator(_with_room),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": IN_YEARS}),
]


class StatsQuery(WireIn):
    """Which span of time, and how finely."""

    since: InReach = Field(None, alias="from", description="From the minute or hour of this; default: a day ago.")
    until: InReach = Field(None, alias="to", description="Until before this; default: now.")
    step: Literal["minute", "hour"] = Field("hour", description="At most 3,000 of them are told.")


class WeekQuery(WireIn):
    """Which week."""

    since: InReach = Field(None, alias="from", description="From the hour of this; default: now.")


class TimelineQuery(WireIn):
    """Which span of time, and how many jobs in which order."""

    since: InReach = Field(None, alias="from", description="Default: 40 minutes ago.")
    until: InReach = Field(None, alias="to", description="Default: 22 minutes from now. At most 31 days are told.")
    limit: Annotated[int, Field(ge=1, le=200), Digits] = Field(50, description="Most jobs to tell.")
    sort: Literal["next", "name", "tag", "load"] = Field("next", description="In which order jobs come.")


class CountsOut(WireOut):
    """How many runs ended in each final state; of `missed` the firings are counted."""

    succeeded: int
    failed: int
    timed_out: int
    cancelled: int
    lost: int
    missed: int
    skipped: int


class LagOut(WireOut):
    """By how many seconds firings were late when they were committed; null when there was none."""

    p95: float | None
    max: float | None


class BucketOut(WireOut):
    """A minute or an hour."""

    at: datetime
    counts: CountsOut
    lag: LagOut | None = Field(description="Of a minute; null for an hour.")
    backlog: int | None = Field(description="Runs that were queued in the minute; null for an hour, or if not known.")


class TallyOut(WireOut):
    """How runs ended. `failed` are those that failed, timed out or were lost."""

    succeeded: int
    failed: int
    missed: int
    skipped: int
    cancelled: int
    success: float | None = Field(description="succeeded / (succeeded + failed).")


class DayOut(WireOut):
    """The last 24 hours, and the 24 hours before."""

    last: TallyOut
    before: TallyOut


class StatsOut(WireOut):
    """What has happened in a span of time; and how the last day, hour and minutes were."""

    items: list[BucketOut]
    step: Literal["minute", "hour"]
    day: DayOut
    lag: LagOut = Field(description="Of the last five minutes.")
    fired: int = Field(description="Firings of the last hour.")
    due: int = Field(description="The same with the jobs that should have fired and have not.")
    overdue: int = Field(description="Jobs that were due more than 5 seconds ago and have not fired.")
    now: datetime


class MarkOut(WireOut):
    """How one run ended."""

    run_id: int
    state: RunState
    duration: float | None
    lateness: float | None
    scheduled_at: datetime = Field(description="To the second.")


class JobStatsOut(WireOut):
    """What is known of the last 90 runs of a job, in seconds."""

    job_id: str
    usual: float | None = Field(description="The median of the last 90 that succeeded; null under 5 of them.")
    p95: float | None = Field(description="The 95th percentile of the same.")
    trend: float | None = Field(
        description="By which part the median of the newest 30 that succeeded differs from that of the oldest 30; null "
        "when there are fewer than 60, or it is not over 0.05."
    )
    succeeded: int
    failed: int = Field(description="Failed, timed out or lost.")
    success: float | None = Field(description="succeeded / (succeeded + failed).")
    failing_since: datetime | None = Field(description="The end of the first failure in a row.")
    failures_in_a_row: int
    lateness_p95: float | None
    lateness_max: float | None
    last_success: datetime | None
    last_failure: datetime | None
    strip: list[MarkOut] = Field(description="The last 90 runs, the newest last.")


class HourPlanOut(WireOut):
    """What is planned in an hour."""

    at: datetime
    firings: int
    busy_seconds: float = Field(description="Firings × usual length.")


class WeekOut(WireOut):
    """The 168 hours of a week."""

    items: list[HourPlanOut]
    complete: bool = Field(description="False when there are more jobs than could be counted.")


class BarOut(WireOut):
    """A run that was executed, or is."""

    run_id: int
    state: RunState
    begin: datetime
    end: datetime | None = Field(description="Null while it runs.")
    count: int = Field(description="More than 1: so many runs that are too close together, in the worst state of them.")


class PlannedOut(WireOut):
    """A firing to come."""

    at: datetime
    usual: float | None


class TimelineRowOut(WireOut):
    """What a job has in the span."""

    job_id: str
    name: str
    task: str
    tags: list[str]
    bars: list[BarOut]
    planned: list[PlannedOut]


class CollisionOut(WireOut):
    """A minute in which more firings are planned than the threshold."""

    at: datetime
    firings: int
    jobs: list[str]


class BusyOut(WireOut):
    """How many slots are busy from a moment on."""

    at: datetime
    slots: int
    planned: bool = Field(description="Whether that is what is usual, and not what has happened.")


class SlotsBusyOut(WireOut):
    """The slots of the living engines."""

    total: int
    busy: list[BusyOut]


class TimelineOut(WireOut):
    """A span of time, job by job."""

    since: datetime = Field(alias="from")
    until: datetime = Field(alias="to")
    items: list[TimelineRowOut]
    collisions: list[CollisionOut]
    slots: SlotsBusyOut
    complete: bool = Field(description="False when there is more than is told.")
