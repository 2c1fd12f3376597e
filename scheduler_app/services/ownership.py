"""Who owns what of a job that the code declares: the code its task and trigger, people its pause."""

import sqlalchemy as sa

from scheduler_app.domain.job import Job
from scheduler_app.errors import Fault, JobDeclared
from scheduler_app.services.context import Context
from scheduler_app.store import ledgers

INSTEAD = "over HTTP it can be paused, resumed, skipped and run, and its arguments and policies changed"


def refuse_change(tx: sa.Connection, before: Job, after: Job) -> None:
    """Refuse to give a job another task or trigger than the code declares."""
    for field in ("task", "trigger"):
        if getattr(before, field) != getattr(after, field):
            refuse(tx, before.id, field)


def refuse(tx: sa.Connection, job_id: str, field: str | None = None) -> None:
    """Refuse what only the code may do with a job that it declares: change a field, or else delete it."""
    place = _place(tx, job_id)
    if place is None:
        return
    what = f"change its {field} there" if field else "remove it there, or pause it"
    detail = f"job {job_id!r} is declared in code, at {place}: {what}; {INSTEAD}"
    raise JobDeclared(detail, faults=[Fault(pointer=f"/{field}", detail=detail)] if field else [])


def refuse_outsider(job_id: str, field: str | None = None, *, ctx: Context) -> None:
    """Refuse the same of what comes from outside, before anything is written."""
    with ctx.database.read() as tx:
        refuse(tx, job_id, field)


def _place(tx: sa.Connection, job_id: str) -> str | None:
    places = (ledger["jobs"][job_id]["place"] for ledger in ledgers.every(tx).values() if job_id in ledger["jobs"])
    return next(places, None)
