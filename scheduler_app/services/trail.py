"""Who changed what: noted in the transaction of the change, so that neither is there without the other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scheduler_app.domain.change import ABOUT_KEYS, What, difference, facts, is_noted, of_job
from scheduler_app.domain.job import Job
from scheduler_app.services.context import Actor, Context
from scheduler_app.store import trail
from scheduler_app.store.trail import Entry, TrailFilter
from scheduler_app.values import value

Values = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Changes, the newest first; `after` continues the list, None when it is complete."""

    entries: list[Entry]
    after: int | None


@value
class Note:
    """Writes down, in a transaction, what somebody changes at a time."""

    tx: sa.Connection
    by: Actor
    at: datetime

    def change(
        self, what: What, subject: str | None = None, *, before: Values | None = None, after: Values | None = None
    ) -> None:
        """Note a change."""
        trail.insert(self.tx, entry(self.by, self.at, what, subject, before=before, after=after))

    def job_created(self, job: Job) -> None:
        """Note that a job was added, unless it is mere work."""
        if is_noted(job, self.by.name):
            self.change(What.JOB_CREATED, of_job(job.id), after=facts(job))

    def job_changed(self, before: Job, after: Job, what: What = What.JOB_CHANGED) -> None:
        """Note how a job was changed, if it was."""
        old, new = difference(before, after)
        if new:
            self.change(what, of_job(after.id), before=old, after=new)

    def job_deleted(self, job: Job) -> None:
        """Note that a job was deleted."""
        self.change(What.JOB_DELETED, of_job(job.id), before=facts(job))


def entry(
    by: Actor, at: datetime, what: What, subject: str | None, *, before: Values | None = None, after: Values | None
) -> Entry:
    """Return a change as it is kept."""
    return Entry(
        at=at,
        who=by.name,
        api_key=by.api_key,
        what=what,
        subject=subject,
        before=before,
        after=after,
        request_id=by.request_id,
    )


def noting(tx: sa.Connection, ctx: Context, at: datetime) -> Note:
    """Return what writes down changes of who acts."""
    return Note(tx=tx, by=ctx.actor, at=at)


def list_changes(where: TrailFilter, *, after: int | None, limit: int, keys_too: bool, ctx: Context) -> Page:
    """Return up to `limit` changes, those of keys and sessions if they are to be seen too."""
    shown = where if keys_too else replace(where, hidden=ABOUT_KEYS)
    with ctx.database.read() as tx:
        found, further = trail.page(tx, shown, after=after, limit=limit)
    return Page(entries=found, after=further)
