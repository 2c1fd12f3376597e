"""`scheduler-app audit`: check the promises of the README on a store, and name each one that is broken."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from scheduler_app.clock import SystemClock, rfc3339
from scheduler_app.domain.text import one_line
from scheduler_app.services.audit import Audit, audit
from scheduler_app.settings import Settings
from scheduler_app.store.auditing import Breach
from scheduler_app.store.database import Database, default_url

PROMISES = (
    "the store is whole",
    "accepted means on disk",
    "no firing is lost, none happens twice",
    "a run is executed by one engine at a time",
    "a run whose engine died is run again, or lost",
    "nothing is skipped in silence",
    "nothing runs that was not registered",
    "a job that cannot be computed is kept",
    "the engine's threads survive",
)


def audit_store(settings: Settings, *, as_json: bool) -> bool:
    """Audit the store of these settings and print what was found; whether every promise is kept."""
    database = Database(settings.database or default_url(settings.data), pooler=settings.pooler)
    name = str(database.path or database.shown)
    now = SystemClock().now()
    found = database.look(lambda tx: audit(tx, now))
    lines = [json.dumps(_document(found, name, now), ensure_ascii=False, indent=2)] if as_json else _told(found, name)
    for line in lines:
        click.echo(line)
    return not found.breaches


def _document(found: Audit, name: str, now: datetime) -> dict[str, Any]:
    return {
        "ok": not found.breaches,
        "store": name,
        "at": rfc3339(now),
        "breaches": [{**asdict(breach), "means": PROMISES[breach.promise]} for breach in found.breaches],
        "checked": {**found.counts, "checks": found.checks, "jobs_judged": found.judged},
        "not_judged": found.not_judged,
        "books_not_judged": found.books,
    }


def _told(found: Audit, name: str) -> Iterator[str]:
    for breach in found.breaches:
        yield one_line(_sentence(breach))
    for job_id, why in found.not_judged.items():
        yield one_line(f"not judged: the firings of job {job_id}: {why}")
    if found.books:
        yield f"not judged: {found.books}"
    number = len(found.breaches)
    verdict = "every promise is kept" if not number else f"{number} {'breach' if number == 1 else 'breaches'}"
    if found.checks:
        yield (
            f"{name}: {verdict}; {found.checks} checks of {found.counts['jobs']} jobs and {found.counts['runs']} runs, "
            f"the firings of {found.judged} jobs compared with their triggers"
        )
    else:
        yield f"{name}: {verdict}; nothing else could be checked"


def _sentence(breach: Breach) -> str:
    where = [f"job {breach.job}"] * (breach.job is not None) + [f"run {breach.run}"] * (breach.run is not None)
    return f"promise {breach.promise} ({PROMISES[breach.promise]}): {', '.join([*where, breach.found])}"
