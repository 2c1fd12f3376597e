"""Job: is it flaky, late, slower; what next?"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request

from scheduler_app.dashboard import addresses, preferences, words
from scheduler_app.dashboard.coming import times_of
from scheduler_app.dashboard.frame import context, render
from scheduler_app.dashboard.history import picture_of
from scheduler_app.dashboard.jobs import title_of, why_not
from scheduler_app.dashboard.schedules import schedule_of
from scheduler_app.domain.change import of_job
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.policy import POLICY_NAMES, Policies
from scheduler_app.domain.run import Run
from scheduler_app.domain.zone import find_zone
from scheduler_app.schemas.job import render_job
from scheduler_app.services import dossier, jobs, trail
from scheduler_app.services.collisions import others_at
from scheduler_app.services.dossier import Dossier
from scheduler_app.store.trail import Entry, TrailFilter

TABS = ("runs", "settings", "changes", "links")
SHORT = 160
CHANGES = 50
USUAL = Policies()
REASONS = {
    "overlap": "another run was still running",
    "misfire_grace_time": "later than its grace",
    "coalesced": "later firings were due too, the latest ran",
    "paused": "the job or the scheduler was paused",
    "broken": "the job was broken",
    "job_deleted": "the job was deleted",
    "requested": "somebody asked for it",
    "crashed": "its engine died",
    "shutdown": "its engine stopped",
    "blocked": "waits for a place",
    "retry": "waits for its next attempt",
    "jitter": "waits out its jitter",
    "timeout": "took longer than its timeout",
    "not_started": "no worker process started",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What somebody changed: each field as it was and as it is, None where there was or is none."""

    entry: Entry
    fields: list[tuple[str, str | None, str | None]]

    @classmethod
    def of(cls, entry: Entry) -> "Change":
        """Return a change, field by field."""
        before, after = dict(entry.before or {}), dict(entry.after or {})
        return cls(
            entry=entry,
            fields=[(name, _told(before.get(name)), _told(after.get(name))) for name in before | after],
        )


def _told(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A policy in force; `is_own` when the job sets it itself."""

    name: str
    value: str
    is_own: bool


def register(pages: Blueprint) -> None:
    """Serve the page."""
    pages.add_url_rule("/jobs/<job_id>", "show_job", show_job)
    pages.add_url_rule("/jobs/<job_id>/export", "export_job", export_job)


def show_job(job_id: str) -> str:
    """Show one job."""
    ctx, zone = context(), preferences.zone()
    found, now = dossier.view_job(job_id, ctx=ctx), ctx.clock.now()
    asked = request.args.get("tab", "")
    tab = asked if asked in TABS else "runs"
    return render("job.html", active="pages.list_jobs", **_view(found, now, zone), tab=tab, **_tab(found, tab))


def _view(found: Dossier, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    job = found.job
    own_zone = _zone_of(job)
    shown = own_zone if own_zone is not None and request.args.get("times") != "page" else zone
    return {
        "found": found,
        "job": job,
        "title": title_of(job),
        "stats": found.stats,
        "schedule": schedule_of(job.trigger, now=now, zone=ZoneInfo("UTC")),
        "why": why_not(job, now),
        "mend": _mend(job),
        "policies": _in_short(job),
        "picture": picture_of(found.stats, found.running, now=now, zone=zone),
        "times": times_of(found.times, skips=found.skips, zone=shown),
        "others": others_at(job, found.times, ctx=context()),
        "times_zone": shown.key,
        "tally": _tally(found),
    }


def _zone_of(job: Job) -> ZoneInfo | None:
    """Return the zone that a job fires by; an interval has none, whatever its start was told in."""
    trigger = job.trigger or {}
    named = trigger.get("timezone")
    return find_zone(named) if isinstance(named, str) and trigger["type"] in ("cron", "calendarinterval") else None


def _tab(found: Dossier, tab: str) -> dict[str, Any]:
    if tab == "settings":
        return {"settings": _settings(found.job), "arguments": _arguments(found.job), "raw": _pretty(found.job.trigger)}
    if tab == "changes":
        subject = TrailFilter(subjects=(of_job(found.job.id),))
        page = trail.list_changes(subject, after=None, limit=CHANGES, keys_too=False, ctx=context())
        return {"changes": [Change.of(entry) for entry in page.entries], "has_more": page.after is not None}
    if tab != "runs":
        return {}
    after = addresses.text("after", 19)
    ran, has_more = dossier.runs_of(found.job, after=int(after) if after and after.isdecimal() else None, ctx=context())
    return {
        "ran": [(run, _outcome(run)) for run in ran],
        "older": ran[-1].id if has_more else None,
        "is_first": after is None,
        "nodes": found.nodes,
    }


def _outcome(run: Run) -> str:
    """Return the result of a run, or why there is none, in one line."""
    if run.error is not None:
        told = f"{run.error.type}: {run.error.message}"
    elif run.progress is not None and run.is_open:
        part = f"{100 * run.progress.current / run.progress.total:.0f} %" if run.progress.total else ""
        told = " · ".join(word for word in (part, run.progress.message) if word)
    elif run.missed is not None and run.missed.count != 1:
        number = "over 10,000" if run.missed.count is None else f"{run.missed.count:,}"
        told = f"{number} firings; {REASONS.get(run.reason or '', run.reason or '')}"
    elif run.reason is not None:
        told = REASONS.get(run.reason, run.reason)
    else:
        told = "" if run.result is None else run.result if isinstance(run.result, str) else json.dumps(run.result)
    return told[:SHORT].replace("\n", " ")


def _tally(found: Dossier) -> str:
    """Return how the last runs ended that did not succeed."""
    counts: dict[str, int] = {}
    for mark in found.stats.strip:
        counts[mark.state] = counts.get(mark.state, 0) + 1
    bad = {state: number for state, number in counts.items() if state != "succeeded"}
    return ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in bad.items()) or "nothing else"


def _in_short(job: Job) -> str:
    """Return the policies that are worth a line."""
    own = job.policies
    told = [str(own.delivery)]
    if own.max_retries:
        told.append(words.plural(own.max_retries, "retry", "retries"))
    if own.timeout is not None:
        told.append(f"timeout {words.duration(own.timeout)}")
    if own.overlap != USUAL.overlap:
        told.append(f"overlap {own.overlap}")
    if own.executor != USUAL.executor:
        told.append(f"executor {own.executor}")
    return ", ".join(told)


def _mend(job: Job) -> str | None:
    """Return what would make a broken job fire again."""
    if job.state is not JobState.BROKEN:
        return None
    if job.unreadable:
        return f"Edit the job and save it: that writes its {', '.join(sorted(job.unreadable))} anew."
    return "Give it another trigger: edit the job, change its time and save it."


def _settings(job: Job) -> list[Setting]:
    own = job.overrides.given()
    return [Setting(name=name, value=_value(getattr(job.policies, name)), is_own=name in own) for name in POLICY_NAMES]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _arguments(job: Job) -> str:
    return _pretty({"args": job.args, "kwargs": job.kwargs} if job.args else job.kwargs)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def export_job(job_id: str) -> Response:
    """Hand out a job as the JSON that adds it again."""
    job = jobs.get_job(job_id, ctx=context())
    told = render_job(job, "")
    kept = {name: told[name] for name in ("id", "name", "task", "args", "kwargs", "trigger")} | job.overrides.given()
    name = f'attachment; filename="{job.id.replace(":", "-")}.json"'
    return Response(_pretty(kept), content_type="application/json", headers={"Content-Disposition": name})
