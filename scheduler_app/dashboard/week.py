"""Week: where is room?"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, request

from scheduler_app.dashboard import preferences
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.heat import Change, Look, Row, brief, busiest, next_change, quietest, rows, unit, whole
from scheduler_app.domain.load import HOUR, hour_of
from scheduler_app.services.context import Context
from scheduler_app.services.hour import HourDetail, read_hour
from scheduler_app.services.outlooks import HourPlan, week_ahead

WEEK, MOST_AHEAD = timedelta(days=7), timedelta(days=366)
MOST_SHARES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the address asks for: a week other than the next, an hour of it, busy seconds in place of firings."""

    start: datetime | None
    hour: datetime | None
    busy: bool


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the page shows."""

    verdict: str
    lead: str
    start: datetime | None
    previous: datetime | None
    next: datetime
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
    asked = Asked(
        start=_instant(request.args.get("from", "")),
        hour=_instant(request.args.get("hour", "")),
        busy=request.args.get("measure") == "busy",
    )
    return render("week.html", page=page_of(asked, preferences.zone(), ctx=context()))


def _instant(given: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(given)
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def page_of(asked: Asked, zone: ZoneInfo, *, ctx: Context) -> Page:
    """Return what the page shows."""
    now, busy = ctx.clock.now(), asked.busy
    start = _start(asked.start, now)
    plans, complete = _plans(start or now, zone, ctx)
    look = Look(zone=zone, now=now, chosen=now, busy=busy)
    known = [plan.at for plan in plans]
    hour = asked.hour if asked.hour in known else busiest(plans, look).at
    look = replace(look, chosen=hour)
    detail = read_hour(hour, ctx=ctx)
    hidden = detail.shares[MOST_SHARES:]
    values = [look.value(plan) for plan in whole(plans, look)]
    return Page(
        verdict=verdict(plans, look),
        lead=_lead(asked, start, zone, complete=complete),
        start=start,
        previous=None if start is None else _moved(start, -WEEK, zone),
        next=_moved(start or now, WEEK, zone),
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


def _start(asked: datetime | None, now: datetime) -> datetime | None:
    """Return from which hour on a week is asked for, within a year; None: from now on."""
    return None if asked is None or asked < now + HOUR else min(hour_of(asked), hour_of(now) + MOST_AHEAD)


def _moved(start: datetime, by: timedelta, zone: ZoneInfo) -> datetime:
    """Return the same hour of the day some days before or after."""
    return (hour_of(start).astimezone(zone) + by).astimezone(UTC)


def _lead(asked: Asked, start: datetime | None, zone: ZoneInfo, *, complete: bool) -> str:
    what = "Busy seconds" if asked.busy else "Planned firings"
    local = None if start is None else start.astimezone(zone)
    days = (
        "the next seven days" if local is None else f"the seven days from {local:%A} {local.day} {local:%B %Y, %H:%M}"
    )
    cut = "" if complete else " So far ahead not all jobs could be counted, so these are the least there will be."
    return f"{what} per hour, {days}, {zone.key}.{cut}"


def _plans(start: datetime, zone: ZoneInfo, ctx: Context) -> tuple[list[HourPlan], bool]:
    """Return the hours from one until the same hour of the day in a week, 168 if clocks do not change; whether of all
    jobs."""
    found = week_ahead(start, ctx=ctx)
    plans = found.plans
    wall = plans[0].at.astimezone(zone).replace(tzinfo=None) + WEEK
    end = wall.replace(tzinfo=zone).astimezone(UTC)
    if end > plans[-1].at + HOUR:
        plans = [*plans, *week_ahead(plans[-1].at + HOUR, ctx=ctx).plans[:1]]
    return [plan for plan in plans if plan.at < end], found.complete


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
