"""Jobs: which job, how is it, when next?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, request

from scheduler_app.dashboard import addresses, preferences, words
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.saved import saved_of
from scheduler_app.dashboard.schedules import Schedule, schedule_of
from scheduler_app.dashboard.strips import Strip, strip_of
from scheduler_app.domain.job import Job, JobState
from scheduler_app.services import listing
from scheduler_app.services.listing import Choice, Listing, Window

PAGE = 50
SORTS = {
    "id": "id",
    "next_run_time": "next time",
    "-last_failure": "last failure",
    "-usual": "usual time",
    "-updated_at": "last change",
}
TITLES = {"failing": "Failing", "broken": "Broken", "missed": "Missed 24 h", "running": "Running", "paused": "Paused"}
DONE = ("queued", "paused", "resumed", "deleted", "tagged", "untagged")
SHAPES = {"failing": "failed"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A job as a row of the list. `why` is why it has no next time."""

    job: Job
    title: str
    shape: str
    schedule: Schedule
    why: str | None
    strip: Strip
    usual: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chip:
    """A filter with its number."""

    title: str
    shape: str | None
    number: int
    href: str
    is_chosen: bool


def register(pages: Blueprint) -> None:
    """Serve the page."""
    pages.add_url_rule("/jobs", "list_jobs", list_jobs)


def list_jobs() -> str:
    """Show the jobs that the address asks for."""
    return render("jobs.html", **view())


def view() -> dict[str, Any]:
    """Return what the list shows."""
    ctx, zone = context(), preferences.zone()
    choice, now = choice_of(), ctx.clock.now()
    given = given_of(choice)
    found = listing.list_jobs(choice, _window(), ctx=ctx)
    here = addresses.address("pages.list_jobs", given)
    return {
        "choice": choice,
        "given": given,
        "groups": [(group, [line_of(row, now, zone) for row in group.rows]) for group in found.groups],
        "found": found,
        "chips": _chips(found, given),
        "previous": _neighbour(found, given, "before"),
        "next": _neighbour(found, given, "after"),
        "here": here,
        "saved": saved_of("jobs", here),
        "link": lambda **changes: addresses.address("pages.list_jobs", given, **changes),
        "sorted_by": SORTS[choice.sort],
        "sorts": SORTS,
        "told": _told(found, choice),
        "result": _done(),
    }


def _done() -> dict[str, object] | None:
    """Return what was just done, as the address after a form says it."""
    done, number = request.args.get("done"), request.args.get("n", "")
    if done not in DONE or not number.isdecimal() or len(number) > 4:
        return None
    return {"told": f"{words.count(int(number))} {done}", "refused": []}


def choice_of() -> Choice:
    """Return which jobs the address asks for; what it asks for that there is not, it does not ask for."""
    look, sort = addresses.text("look", 20), addresses.text("sort", 20)
    return Choice(
        look=look if look in listing.LOOKS else None,
        tag=addresses.text("tag", 64),
        words=addresses.text("q", 191),
        sort=sort if sort in SORTS else "id",
        by_tag=addresses.text("by", 4) == "tag",
    )


def given_of(choice: Choice) -> dict[str, str | None]:
    """Return a choice as an address says it."""
    return {
        "q": choice.words,
        "look": choice.look,
        "tag": choice.tag,
        "sort": None if choice.sort == "id" else choice.sort,
        "by": "tag" if choice.by_tag else None,
    }


def _window() -> Window:
    before = addresses.read_spot(addresses.text("before", 300))
    after = addresses.read_spot(addresses.text("after", 300))
    return Window(at=before or after, backward=before is not None, limit=PAGE)


def _neighbour(found: Listing, given: dict[str, str | None], side: str) -> str | None:
    """Return the address of the page before or after this one, if there is one."""
    rows = found.rows
    if not rows or not (found.has_before if side == "before" else found.has_after):
        return None
    spot = rows[0 if side == "before" else -1].spot
    return addresses.address("pages.list_jobs", given, **{side: addresses.write_spot(spot)})


def _chips(found: Listing, given: dict[str, str | None]) -> list[Chip]:
    return [
        Chip(
            title=TITLES[look],
            shape=SHAPES.get(look, look),
            number=number,
            href=addresses.address("pages.list_jobs", given, look=look),
            is_chosen=given["look"] == look,
        )
        for look, number in found.looks.items()
    ]


def _told(found: Listing, choice: Choice) -> str:
    number = words.up_to(found.number)
    shown = len(found.rows)
    order = f"sorted by {SORTS[choice.sort]}" + (" in each tag" if choice.by_tag else "")
    cut = " · more begin so than are found: type more of it" if found.is_cut else ""
    return f"{shown} of {number} · {order}{cut}"


def title_of(job: Job) -> str:
    """Return what a job is called: its name, if somebody gave it one."""
    return job.id if job.name == job.task else job.name


def line_of(row: listing.Row, now: datetime, zone: ZoneInfo) -> Line:
    """Return a job as a row of the list."""
    return Line(
        job=row.job,
        title=title_of(row.job),
        shape=shape_of(row),
        schedule=schedule_of(row.job.trigger, now=now, zone=zone),
        why="no engine has this task" if row.is_orphan else why_not(row.job, now),
        strip=strip_of(row.stats, is_running=row.is_running),
        usual=row.stats.usual,
    )


def shape_of(row: listing.Row) -> str:
    """Return the one icon of a job: the worst that holds of it."""
    if row.job.state is JobState.BROKEN or row.is_orphan:
        return "broken"
    if row.stats.failing_since is not None:
        return "failed"
    if row.is_missed:
        return "missed"
    if row.job.state is JobState.PAUSED:
        return "paused"
    if row.is_running:
        return "running"
    return str(row.stats.strip[-1].state) if row.stats.strip else "scheduled"


def why_not(job: Job, now: datetime) -> str | None:
    """Return why a job has no next time."""
    if job.state is JobState.BROKEN:
        return job.reason
    if job.state is JobState.PAUSED:
        since = words.duration(words.since(job.updated_at, now).total_seconds())
        end = (
            "no end" if job.paused_until is None else f"until {words.clock(job.paused_until, now, preferences.zone())}"
        )
        return f"paused {since}, {end}"
    if job.state is JobState.FINISHED:
        return "finished"
    if job.lacks_parent:
        return "it comes after a job that there is not"
    if job.next_run_time is not None:
        return None
    return "runs once, now" if job.trigger is None else "after another job's runs"
