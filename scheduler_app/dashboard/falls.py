"""Where a trigger falls among the firings of the week to come, and in which hour there is the most room."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from scheduler_app.dashboard import words
from scheduler_app.dashboard.heat import HOUR, Look, Row, quietest, rows
from scheduler_app.services.outlooks import HourPlan

CRON_SUNDAY = 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Falls:
    """The week by hours; `use` is the cron expression of the middle of its quietest hour, once a week."""

    rows: list[Row]
    told: str
    quietest: str
    firings: str
    use: str
    use_told: str


def falls_of(plans: Sequence[HourPlan], first: datetime | None, *, now: datetime, zone: ZoneInfo) -> Falls | None:
    """Return the week in which a trigger fires first; None where nothing is planned, and every hour is as good."""
    if not any(plan.firings for plan in plans):
        return None
    chosen = next((plan for plan in plans if first is not None and plan.at <= first < plan.at + HOUR), None)
    look = Look(zone=zone, now=now, chosen=chosen.at if chosen else now, busy=False)
    calm = quietest(plans, look)
    at = calm.at.astimezone(zone)
    return Falls(
        rows=rows(plans, look),
        told="" if chosen is None else f"{_hour(chosen, zone)}: {words.plural(chosen.firings, 'firing')} planned",
        quietest=f"{at:%a %H}–{(at + HOUR):%H}",
        firings=words.plural(calm.firings, "firing"),
        use=f"30 {at.hour} * * {at.isoweekday() % CRON_SUNDAY}",
        use_told=f"{at:%a %H}:30",
    )


def _hour(plan: HourPlan, zone: ZoneInfo) -> str:
    return f"{plan.at.astimezone(zone):%a %H} h"
