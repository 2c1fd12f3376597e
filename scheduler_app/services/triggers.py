"""What a trigger would do, before anything is saved."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scheduler_app.domain.due import MOST_PREVIEWED, firings
from scheduler_app.domain.trigger import Trigger, blame, parse_trigger
from scheduler_app.errors import TriggerBudgetExceeded
from scheduler_app.services.context import Context
from scheduler_app.store import following

SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A trigger in words, its next times, and what is probably a mistake in it."""

    description: str
    next_run_times: list[datetime]
    warnings: list[str]


def preview_trigger(spec: dict[str, Any], *, after: datetime | None, count: int, ctx: Context) -> Preview:
    """Return up to `count` times strictly after `after` (default: now). Raises InvalidTrigger.

    What takes longer than a second is cut short, and a warning says so; a trigger whose next time is not found within
    its step budget is refused, as it would be for a job.
    """
    now = ctx.clock.now()
    begin = now if after is None else after
    trigger = parse_trigger(spec, now=begin)
    try:
        times, cut = _times(trigger, begin, min(count, MOST_PREVIEWED), ctx)
    except TriggerBudgetExceeded as error:
        raise blame(spec, str(error)) from None
    return Preview(
        description=trigger.describe(),
        next_run_times=times,
        warnings=[*trigger.warnings(now), *cut, *_without_parent(trigger, ctx)],
    )


def _without_parent(trigger: Trigger, ctx: Context) -> list[str]:
    if trigger.runs is None:
        return []
    with ctx.database.read() as tx:
        known = following.exists(tx, trigger.runs.job)
    return (
        [] if known else [f"There is no job {trigger.runs.job!r} yet; a job with this trigger is refused until then."]
    )


def _times(trigger: Trigger, begin: datetime, count: int, ctx: Context) -> tuple[list[datetime], list[str]]:
    limit = ctx.clock.monotonic() + SECONDS
    found: list[datetime] = []
    following = firings(trigger, begin)
    while len(found) < count:
        if ctx.clock.monotonic() > limit:
            return found, [f"Only the first {len(found)} times are told: the trigger is slow to compute."]
        try:
            firing = next(following, None)
        except TriggerBudgetExceeded as error:
            if not found:
                raise
            return found, [f"Only the first {len(found)} times are told. {error}"]
        if firing is None:
            break
        found.append(firing)
    return found, []
