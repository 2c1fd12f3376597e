"""Jobs from a crontab: what each line would become, and then, when a person has agreed, the jobs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from scheduler_app.domain.crontab import Entry, entries
from scheduler_app.domain.job import JobSpec
from scheduler_app.errors import SchedulerError
from scheduler_app.services import bulk
from scheduler_app.services.bulk import Added
from scheduler_app.services.context import Context
from scheduler_app.services.triggers import preview_trigger
from scheduler_app.store import jobs

REBOOT = "@reboot"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a line would become: `task` is the one that it seems to mean, None when it is like none that is known.

    `fault` says why it can become no job.
    """

    entry: Entry
    id: str
    schedule: str = ""
    next_run_time: datetime | None = None
    task: str | None = None
    fault: str | None = None


def plan(text: str, zone: str, *, ctx: Context) -> list[Wanted]:
    """Return what each line of a crontab would become; nothing is saved."""
    return list(_wanted(list(entries(text)), zone, ctx))


def _wanted(found: Sequence[Entry], zone: str, ctx: Context) -> Iterator[Wanted]:
    names = ctx.registry.names()
    with ctx.database.read() as tx:
        taken = {entry.slug for entry in found if jobs.find(tx, entry.slug) is not None}
    for entry in found:
        job_id = _free(entry.slug, taken)
        taken.add(job_id)
        fault = _fault(entry)
        if fault:
            yield Wanted(entry=entry, id=job_id, fault=fault)
            continue
        try:
            preview = preview_trigger(_trigger(entry, zone), after=None, count=1, ctx=ctx)
        except SchedulerError as error:
            yield Wanted(entry=entry, id=job_id, fault=error.detail)
            continue
        at = preview.next_run_times[0] if preview.next_run_times else None
        task = meant(entry, names)
        yield Wanted(entry=entry, id=job_id, schedule=preview.description, next_run_time=at, task=task)


def _fault(entry: Entry) -> str | None:
    if not entry.expression:
        return "This is no line of a crontab: five fields or a nickname such as @daily, then a command."
    return "A store outlives reboots: there is no such time here." if entry.expression == REBOOT else None


def _free(slug: str, taken: set[str]) -> str:
    number = 2
    wanted = slug
    while wanted in taken:
        wanted, number = f"{slug}-{number}", number + 1
    return wanted


def _trigger(entry: Entry, zone: str) -> dict[str, Any]:
    return {"type": "cron", "expression": entry.expression, "timezone": zone}


def meant(entry: Entry, names: frozenset[str]) -> str | None:
    """Return the task that a command seems to mean: one that is called so, or nearly."""
    words = entry.slug.lower().replace("-", "_")
    known = {name.rpartition(".")[2].lower(): name for name in sorted(names)} | {name.lower(): name for name in names}
    inside = [name for short, name in known.items() if len(short) > 2 and (short in words or words in short)]
    near = get_close_matches(words, known, n=1, cutoff=0.75)
    return inside[0] if inside else known[near[0]] if near else None


def save(found: Sequence[Wanted], tasks: Mapping[int, str], zone: str, *, ctx: Context) -> list[Added]:
    """Add a job for each line that has a task, by the line's number."""
    specs = [
        JobSpec(
            task=tasks[one.entry.number],
            id=one.id,
            name=one.entry.command[:200],
            args=[],
            kwargs={},
            trigger=_trigger(one.entry, zone),
        )
        for one in found
        if one.fault is None and tasks.get(one.entry.number)
    ]
    return bulk.create_jobs(specs, ctx=ctx)
