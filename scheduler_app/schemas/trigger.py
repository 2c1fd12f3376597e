"""The preview of a trigger on the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from scheduler_app.domain.policy import Whole
from scheduler_app.domain.schedule import END, FIRST
from scheduler_app.schemas.fields import Moment, WireIn, WireOut
from scheduler_app.schemas.shapes import TRIGGER_EXAMPLES, TriggerSpec


def _in_reach(moment: datetime) -> datetime:
    if not FIRST <= moment < END:
        raise ValueError(f"must lie in the years {FIRST.year} to {END.year - 1}")
    return moment


class PreviewIn(WireIn):
    """A trigger to look at; nothing is saved."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"trigger": trigger} for trigger in TRIGGER_EXAMPLES]})

    trigger: TriggerSpec
    after: Annotated[Moment, AfterValidator(_in_reach)] | None = Field(
        None, description="Times strictly after this one. Default: now."
    )
    count: Annotated[int, Field(strict=True, ge=1, le=1000), Whole] = Field(10, description="How many times at most.")


class PreviewOut(WireOut):
    """What a trigger would do."""

    description: str = Field(description="The trigger in words.")
    next_run_times: list[datetime]
    warnings: list[str] = Field(description="What is probably a mistake, or not expected.")
