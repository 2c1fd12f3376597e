"""A job as the form that says it: the names and texts of `forms`, so that what is not touched says the same again."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from scheduler_app.dashboard.arguments import fields_of
from scheduler_app.dashboard.forms import CHOSEN
from scheduler_app.domain.job import Job
from scheduler_app.domain.task import Task
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.errors import SchedulerError

TABS = ("now", "once", "every", "cron", "calendar", "combine", "after")
TITLES = {"now": "Now", "once": "Once", "every": "Every…", "cron": "Cron", "calendar": "Calendar", "combine": "Combine"}
TITLES |= {"after": "After"}
TAB_OF = {"date": "once", "interval": "every", "cron": "cron", "calendarinterval": "calendar", "after": "after"}
TYPE_OF = {tab: kind for kind, tab in TAB_OF.items()}
ZONE = "once,every,cron,calendar/trigger/timezone:text"
SHARED = {
    "timezone": ZONE,
    "start_date": "every,cron,calendar/trigger/start_date:text",
    "end_date": "every,cron,calendar/trigger/end_date:text",
    "jitter": "every,cron,calendar/trigger/jitter:number",
}
OWN = {
    "once": {"run_date": "text"},
    "every": dict.fromkeys(("weeks", "days", "hours", "minutes", "seconds"), "number"),
    "cron": {"expression": "text"},
    "calendar": dict.fromkeys(("years", "months", "weeks", "days", "hour", "minute", "second"), "integer"),
    "after": {"job": "text", "on": "text"},
}
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
POLICIES = {
    "overlap": "text",
    "misfire_grace_time": "number",
    "coalesce": "boolean",
    "max_instances": "integer",
    "max_retries": "integer",
    "retry_delay": "number",
    "retry_backoff": "number",
    "retry_max_delay": "number",
    "retry_jitter": "number",
    "timeout": "number",
    "delivery": "text",
    "priority": "integer",
    "concurrency_key": "text",
    "tags": "words",
    "executor": "text",
}


def empty_form(zone: ZoneInfo) -> MultiDict[str, str]:
    """Return the form of a new job."""
    return MultiDict({CHOSEN: "cron", ZONE: zone.key})


def form_of(job: Job, task: Task | None, zone: ZoneInfo) -> MultiDict[str, str]:
    """Return the form that says what a job is."""
    told = {"/id:text": job.id, "/task:text": job.task, "/name:text": "" if job.name == job.task else job.name}
    told |= trigger_fields(job.trigger, zone)
    told |= {f"/{name}:{POLICIES[name]}": _text(value) for name, value in job.overrides.given().items()}
    if task is not None:
        for field in fields_of(task, job.args, job.kwargs):
            told[f"{field.pointer}:{field.kind}"] = field.value or (field.default if field.kind == "boolean" else "")
    return MultiDict(told)


def trigger_fields(trigger: Mapping[str, Any] | None, zone: ZoneInfo) -> dict[str, str]:
    """Return the fields that say a trigger: those of its tab, or its JSON where no tab can say all of it."""
    if trigger is None:
        return {CHOSEN: "now", ZONE: zone.key}
    tab = TAB_OF.get(str(trigger.get("type")), "combine")
    names = {name: f"{tab}/trigger/{name}:{kind}" for name, kind in OWN.get(tab, {}).items()}
    names |= {name: field for name, field in SHARED.items() if tab in field.partition("/")[0].split(",")}
    if trigger.keys() - names.keys() - {"type"}:
        return {CHOSEN: "combine", ZONE: zone.key, "combine/trigger:json": json.dumps(trigger, indent=1)}
    fields = {names[name]: _text(value) for name, value in trigger.items() if name != "type"}
    if tab == "once":
        fields |= _once(trigger, zone)
    return {ZONE: zone.key, CHOSEN: tab, f"{tab}/trigger/type:text": str(trigger["type"]), **fields}


def _once(trigger: Mapping[str, Any], zone: ZoneInfo) -> dict[str, str]:
    """A moment is told in the zone of the page, as a person would write it."""
    try:
        at = parse_trigger(trigger, now=_LONG_AGO).first(_LONG_AGO)
    except SchedulerError:
        return {}
    if at is None:
        return {}
    return {"once/trigger/run_date:text": at.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S"), ZONE: zone.key}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch (RFC 7396) from one body to another; arguments are merged, a trigger is given whole."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        if name not in before:
            patch[name] = value
        elif name == "kwargs" and isinstance(value, dict):
            inner = difference(before[name], value)
            patch |= {name: inner} if inner else {}
        elif before[name] != value:
            patch[name] = value
    return patch
