"""Week: where is room?"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, request

from scheduler_app.dashboard import preferences
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.heat import Change, Look, Row, brief, busiest, next_change, quietest, rows, unit, whole
from scheduler_app.services.context import Context
from scheduler_app.services.hour import HourDetail, read_hour
from scheduler_app.services.outlooks import HourPlan, week

HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
MOST_SHARES = 8


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the page shows."""

    verdict: str
    lead: str
    measure: str
    rows: tuple[Row, ...]
    range: str
    chosen: str
    detail: HourDetail
    told: str
    most: int
    others: int
    other_firings: int
    change: Change | None


def register(pages: Blueprint) -> None:
    """Serve the page."""
    pages.add_url_rule("/week", "show_week", show_week)


def show_week() -> str:
    """Show what is planned in each hour of a week, and of one hour in each minute."""
    busy = request.args.get("measure") == "busy"
    chosen = _instant(request.args.get("hour", ""))
    return render("week.html", page=page_of(chosen, busy, preferences.zone(), ctx=context()))


def _instant(given: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(given)
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def page_of(chosen: datetime | None, busy: bool, zone: ZoneInfo, *, ctx: Context) -> Page:
    """Return what the page shows."""
    now = ctx.clock.now()
    plans = _plans(now, zone, ctx)
    look = Look(zone=zone, now=now, chosen=now, busy=busy)
    known = [plan.at for plan in plans]
    hour = chosen if chosen in known else busiest(plans, look).at
    look = replace(look, chosen=hour)
    detail = read_hour(hour, ctx=ctx)
    hidden = detail.shares[MOST_SHARES:]
    values = [look.value(plan) for plan in whole(plans, look)]
    return Page(
        verdict=verdict(plans, look),
        lead=f"{'Busy seconds' if busy else 'Planned firings'} per hour, the next seven days, {zone.key}.",
        measure="busy" if busy else "firings",
        rows=tuple(rows(plans, look)),
        range=f"{brief(min(values))} – {brief(max(values))} {unit(look, 2)} an hour",
        chosen=span_of(hour, zone),
        detail=detail,
        told=f"{hour.astimezone(zone):%A %H:%M} by minute, at most {max(detail.minutes)} firings in one",
        most=max(1, *detail.minutes),
        others=len(hidden),
        other_firings=sum(share.number for share in hidden),
        change=next_change(now, zone),
    )


def _plans(now: datetime, zone: ZoneInfo, ctx: Context) -> list[HourPlan]:
    """Return the hours from now until the same hour of the day in a week: 168 if clocks do not change."""
    plans = week(now, ctx=ctx)
    wall = plans[0].at.astimezone(zone).replace(tzinfo=None) + WEEK
    end = wall.replace(tzinfo=zone).astimezone(UTC)
    if end > plans[-1].at + HOUR:
        plans = [*plans, *week(plans[-1].at + HOUR, ctx=ctx)[:1]]
    return [plan for plan in plans if plan.at < end]


def verdict(plans: list[HourPlan], look: Look) -> str:
    """Return which hour is the quietest, and which the busiest."""
    calm, full = quietest(plans, look), busiest(plans, look)
    if not look.value(full):
        return "Nothing is planned."
    if look.value(calm) == look.value(full):
        return f"Every hour has {brief(look.value(full))} {unit(look, look.value(full))}."
    return f"Quietest is {span_of(calm.at, look.zone)}, busiest {span_of(full.at, look.zone)}."


def span_of(at: datetime, zone: ZoneInfo) -> str:
    """Tell an hour of the week: `Saturday 13–14`."""
    local, end = at.astimezone(zone), (at + HOUR).astimezone(zone)
    exact = "%H:%M" if local.minute else "%H"
    return f"{local:%A} {local.strftime(exact)}–{end.strftime(exact)}"
