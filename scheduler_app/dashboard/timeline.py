"""Timeline: what collides?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from flask import Blueprint, request, url_for

from scheduler_app.clock import rfc3339
from scheduler_app.dashboard import preferences, timeline_picture
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.run_bars import labels_of
from scheduler_app.dashboard.timeline_picture import Window
from scheduler_app.domain.spec import nearest, shown
from scheduler_app.errors import Fault, InvalidInput
from scheduler_app.services import outlooks
from scheduler_app.services.outlooks import Sort, Timeline, TimelineRow

SPANS = {
    "15m": timedelta(minutes=15),
    "2h": timedelta(hours=2),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}
SORTS = ("next", "name", "tag", "load")
USUAL = "2h"
BEFORE_NOW = 0.64
ROWS = 30
MOST_ROWS = 300
FAR = timedelta(days=400)


@dataclass(frozen=True, kw_only=True)
class View:
    """What is looked at, as the address says it. Without `at` the window moves on with the time."""

    span: str
    at: datetime | None
    sort: Sort
    words: str
    rows: int
    colliding: bool

    def window(self, now: datetime) -> Window:
        """Return the span of time."""
        start = (self.at or now) - SPANS[self.span] * BEFORE_NOW
        return Window(start=start, end=start + SPANS[self.span], now=now)

    def address(self, **changes: object) -> str:
        """Return the address of another view."""
        wanted: dict[str, object] = {"span": self.span, "at": self.at, "sort": self.sort, "q": self.words}
        wanted |= {"rows": self.rows, "only": "collisions" if self.colliding else ""} | changes
        moment = wanted["at"]
        wanted["at"] = rfc3339(moment.replace(microsecond=0)) if isinstance(moment, datetime) else None
        usual = {"span": USUAL, "sort": SORTS[0], "rows": ROWS}
        kept = {name: str(value) for name, value in wanted.items() if value and value != usual.get(name)}
        return url_for("pages.show_timeline", _external=False, **kept)

    def panned(self, part: float, now: datetime) -> str:
        """Return the address of the view a part of the span later."""
        return self.address(at=(self.at or now) + SPANS[self.span] * part)

    def zoomed(self, step: int) -> str | None:
        """Return the address of the next larger or smaller span, if there is one."""
        names = list(SPANS)
        at = names.index(self.span) + step
        return self.address(span=names[at]) if 0 <= at < len(names) else None


def register(pages: Blueprint) -> None:
    """Serve the page."""
    pages.add_url_rule("/timeline", "show_timeline", show_timeline)


def show_timeline() -> str:
    """Show what ran and what will run, job by job."""
    ctx, zone = context(), preferences.zone()
    view = read(zone)
    window = view.window(ctx.clock.now())
    found = outlooks.timeline(window.start, window.end, limit=MOST_ROWS, sort=view.sort, ctx=ctx)
    fitting = _fitting(found, view)
    picture = timeline_picture.draw(found, fitting[: view.rows], window)
    labels = list(labels_of(window.start, window.end, zone))
    return render("timeline.html", view=view, picture=picture, fitting=len(fitting), labels=labels, spans=list(SPANS))


def _fitting(found: Timeline, view: View) -> Sequence[TimelineRow]:
    colliding = {job for collision in found.collisions for job in collision.jobs}
    words = view.words.lower()
    return [
        row
        for row in found.rows
        if (not words or words in row.job.id.lower() or words in row.job.name.lower())
        and (not view.colliding or row.job.id in colliding)
    ]


def read(zone: ZoneInfo) -> View:
    """Return the view that the address asks for; InvalidInput names a fault."""
    args = request.args
    rows = args.get("rows", "")
    return View(
        span=_one_of("span", args.get("span", USUAL), tuple(SPANS)),
        at=_moment(args.get("at", ""), zone),
        sort=cast("Sort", _one_of("sort", args.get("sort", SORTS[0]), SORTS)),
        words=args.get("q", "").strip()[:200],
        rows=min(int(rows), MOST_ROWS) if rows.isascii() and rows.isdigit() and len(rows) < 6 else ROWS,
        colliding=args.get("only") == "collisions",
    )


def _one_of(name: str, given: str, allowed: Sequence[str]) -> str:
    if given in allowed:
        return given
    detail = f"{name} must be one of {', '.join(allowed)}, got {shown(given)}{nearest(given, allowed)}"
    raise InvalidInput.of(Fault(pointer=f"/{name}", detail=detail))


def _moment(given: str, zone: ZoneInfo) -> datetime | None:
    if not given:
        return None
    try:
        at = datetime.fromisoformat(given)
        at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(ZoneInfo("UTC"))
        if abs(at - context().clock.now()) < FAR:
            return at
    except (ValueError, OverflowError):
        pass
    detail = f"at must be a time like 2026-11-22T12:00 within a year from now, got {shown(given)}"
    raise InvalidInput.of(Fault(pointer="/at", detail=detail))
