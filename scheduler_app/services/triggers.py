"""What a trigger would do, before anything is saved."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scheduler_app.domain.due import preview
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.services.context import Context


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A trigger in words, its next times, and what is probably a mistake in it."""

    description: str
    next_run_times: list[datetime]
    warnings: list[str]


def preview_trigger(spec: dict[str, Any], *, after: datetime | None, count: int, ctx: Context) -> Preview:
    """Return up to `count` times strictly after `after` (default: now). Raises InvalidTrigger."""
    now = ctx.clock.now()
    trigger = parse_trigger(spec, now=now if after is None else after)
    return Preview(
        description=trigger.describe(),
        next_run_times=preview(trigger, now if after is None else after, count),
        warnings=trigger.warnings(),
    )
