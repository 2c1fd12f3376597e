"""Audit a store: are the promises of the README kept in what it holds? Nothing is changed.

The firings of a job are judged by its trigger as it stands, so only from its last change on, and after what was pruned.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.domain.after import ENDS, AfterRuns
from scheduler_app.domain.firing import UNPLANNABLE, uncomputable
from scheduler_app.domain.job import Job, JobState
from scheduler_app.domain.ledger import Scope, disagreements
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.services import bookkeeping
from scheduler_app.store import auditing, links, schema
from scheduler_app.store.auditing import Breach, JobRecord
from scheduler_app.store.promises import Check

MOST_OF_A_KIND = 100


@dataclass(kw_only=True)
class Audit:
    """What was found: breaches, and how much was looked at. `not_judged` says why of jobs whose firings were not,
    `books` why the roll-ups were not."""

    breaches: list[Breach] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    checks: int = 0
    judged: int = 0
    firings: int = 0
    not_judged: dict[str, str] = field(default_factory=dict)
    books: str | None = None


def audit(tx: sa.Connection, now: datetime) -> Audit:
    """Check a store on one snapshot of it."""
    found = Audit(breaches=[_of_store(f"the file is damaged: {what}") for what in auditing.damages(tx)])
    if found.breaches:
        return found
    problem = schema.unknown_version(tx)
    if problem is not None:
        found.breaches.append(_of_store(problem))
        return found
    found.breaches += [_of_store(what) for what in auditing.missing_structure(tx)]
    if any(breach.found.startswith("table ") for breach in found.breaches):
        return found
    found.counts = auditing.counts(tx)
    for check, rows in auditing.broken_rows(tx, now):
        found.checks += 1
        found.breaches += _capped(check, rows)
    found.books = bookkeeping.why_not(tx)
    if found.books is None:
        found.checks += 1
        found.breaches += list(bookkeeping.breaches(tx))[:MOST_OF_A_KIND]
    for record in auditing.records(tx):
        found.breaches += _of_job(tx, record, found)
    return found


def _of_store(what: str) -> Breach:
    return Breach(promise=0, job=None, run=None, found=what)


def _capped(check: Check, rows: list[sa.Row[tuple[object, ...]]]) -> Iterator[Breach]:
    for row in rows[:MOST_OF_A_KIND]:
        what = check.found if row.detail is None else f"{check.found}: {row.detail}"
        yield Breach(promise=check.promise, job=row.job, run=row.run, found=what)
    if len(rows) > MOST_OF_A_KIND:
        what = f"{check.found}: {len(rows) - MOST_OF_A_KIND} more"
        yield Breach(promise=check.promise, job=None, run=None, found=what)


def _of_job(tx: sa.Connection, record: JobRecord, found: Audit) -> list[Breach]:
    """Judge the firings of a job, if its row and its trigger can be read."""
    job = record.job
    if job.state is JobState.BROKEN:
        found.not_judged[job.id] = job.reason or "it is broken"
        hidden = record.stored_state != JobState.BROKEN
        return [Breach(promise=7, job=job.id, run=None, found=job.reason or "")] if hidden else []
    if job.trigger is None:
        return []
    try:
        breaches = list(_firings(tx, job, record))
    except UNPLANNABLE as error:
        found.not_judged[job.id] = why = uncomputable(error)
        return [Breach(promise=7, job=job.id, run=None, found=why)]
    found.judged += 1
    return breaches[:MOST_OF_A_KIND]


def _firings(tx: sa.Connection, job: Job, record: JobRecord) -> Iterator[Breach]:
    assert job.trigger is not None
    trigger = parse_trigger(job.trigger, now=job.created_at)
    if trigger.runs is not None:
        yield from _followed(tx, record, trigger.runs)
        return
    scope = Scope(
        since=max(job.created_at, job.updated_at),
        pruned_until=record.pruned_until,
        next_run_time=job.next_run_time,
    )
    for disagreement in disagreements(trigger, scope, auditing.firings(tx, job.key)):
        yield Breach(promise=2, job=job.id, run=disagreement.run, found=disagreement.found)


def _followed(tx: sa.Connection, record: JobRecord, waited_for: AfterRuns) -> Iterator[Breach]:
    """Judge a job that comes after another one by what is recorded of that one's ends."""
    job = record.job
    since = links.since(max(job.created_at, job.updated_at), record.pruned_until)
    link = links.Link(key=job.key, parent=waited_for.job, states=sorted(ENDS[waited_for.on]), since=since)
    for run, found in link.at_fault(tx):
        yield Breach(promise=2, job=job.id, run=run, found=found)
