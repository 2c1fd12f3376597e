"""What stands on every page around its content: the rail, the tape, who looks at it, and in which zone and theme."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app, g, render_template, request, url_for

from scheduler_app.dashboard import preferences, words
from scheduler_app.dashboard.tape import Drawn, draw
from scheduler_app.domain.zone import zone_names
from scheduler_app.services.context import Context
from scheduler_app.services.scheduler import SchedulerView, view_scheduler
from scheduler_app.services.stats import Lag, lag
from scheduler_app.services.tape import read_tape

EXTENSION = "scheduler_app.pages"
PAGES = (
    ("pages.show_overview", "Overview"),
    ("pages.list_jobs", "Jobs"),
    ("pages.list_runs", "Runs"),
    ("pages.show_timeline", "Timeline"),
    ("pages.show_week", "Week"),
    ("pages.show_scheduler", "Scheduler"),
)
ADMINISTRATION = (("pages.list_keys", "Keys"),)
CHANGES = ("operator", "admin")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The page's surroundings. `active` is the endpoint that the rail shows as the present one."""

    active: str
    now: datetime
    zone: ZoneInfo
    theme: str
    caller: str | None
    role: str | None
    csrf_token: str
    scheduler: SchedulerView | None
    tape: Drawn | None
    lag: Lag | None

    @property
    def pages(self) -> list[tuple[str, str]]:
        """The pages that exist, each as an endpoint and a title."""
        return [page for page in PAGES if page[0] in current_app.view_functions]

    @property
    def administration(self) -> list[tuple[str, str]]:
        """The pages that exist for who may do everything."""
        return [page for page in ADMINISTRATION if self.may_admin and page[0] in current_app.view_functions]

    @property
    def may_operate(self) -> bool:
        """Whether the caller may run, cancel, pause and resume."""
        return self.role in CHANGES

    @property
    def may_admin(self) -> bool:
        """Whether the caller may do everything."""
        return self.role == "admin"

    @property
    def engines_alive(self) -> int:
        """How many engines are alive."""
        return len(self.scheduler.alive) if self.scheduler else 0

    @property
    def engines_gone(self) -> int:
        """How many engines are gone."""
        return len(self.scheduler.gone) if self.scheduler else 0

    @property
    def engines_told(self) -> str:
        """How many of the engines are alive."""
        alive, gone = self.engines_alive, self.engines_gone
        return f"{alive} of {alive + gone} engines" if gone else words.plural(alive, "engine")

    @property
    def paused_at(self) -> datetime | None:
        """Since when everything is paused, to the minute."""
        paused = self.scheduler.paused if self.scheduler else None
        return datetime.fromisoformat(paused["since"]).replace(second=0, microsecond=0) if paused else None

    @property
    def health(self) -> str:
        """The shape that stands for how well the engines are."""
        if not self.engines_alive:
            return "lost"
        return "missed" if self.engines_gone else "succeeded"

    @property
    def jobs(self) -> int:
        """How many jobs are not finished, counted as far as those of each state are."""
        counts = self.scheduler.jobs if self.scheduler else {}
        return sum(number for state, number in counts.items() if state != "finished")


def context() -> Context:
    """Return what the use cases need, for who looks at the page."""
    ctx: Context = g.get("ctx") or current_app.extensions[EXTENSION]
    return ctx


def render(template: str, *, active: str | None = None, **view: Any) -> str:
    """Render a page in its frame; times are told in the zone of the browser."""
    frame = _frame(active or request.endpoint or "")
    told = {
        "clock": partial(words.clock, now=frame.now, zone=frame.zone),
        "distance": partial(words.distance, now=frame.now),
        "instant": partial(words.instant, zone=frame.zone),
        "day": partial(words.day, zone=frame.zone),
        "duration": words.duration,
        "count": words.count,
        "up_to": words.up_to,
        "plural": words.plural,
        "share": words.share,
        "to": to,
        "pages_there": lambda: current_app.view_functions,
    }
    return render_template(template, frame=frame, zones=sorted(zone_names()), **told, **view)


def to(endpoint: str, **values: Any) -> str | None:
    """Return the address of a page; None when there is no such page."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None


def _frame(active: str) -> Frame:
    """Return the frame; who is not signed in is shown nothing of the scheduler."""
    ctx, key = context(), g.get("key")
    now, zone = ctx.clock.now(), preferences.zone()
    return Frame(
        active=active,
        now=now,
        zone=zone,
        theme=preferences.theme(),
        caller=None if key is None else key.name,
        role=None if key is None else key.role,
        csrf_token=g.get("csrf_token", ""),
        scheduler=None if key is None else view_scheduler(ctx=ctx),
        tape=None if key is None else draw(read_tape(now, ctx=ctx), zone),
        lag=None if key is None else lag(ctx=ctx),
    )
