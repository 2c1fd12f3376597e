"""Defaults of tasks that change in code reach the jobs that are stored already.

The store keeps, as a fact for each task, the defaults that its jobs follow. An engine says once, when it starts, what
its code says. Only where that is new do the jobs follow, in batches; so of two versions that run side by side the one
that started last is followed, and they never take turns.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from scheduler_app.domain.job import Job
from scheduler_app.domain.policy import Overrides
from scheduler_app.errors import InvalidInput
from scheduler_app.services.admission import admit_policies
from scheduler_app.services.jobs import find, write_policies
from scheduler_app.store import facts, jobs
from scheduler_app.store.database import Database
from scheduler_app.store.rows import READ_ERRORS, PolicyColumns, overrides_and_policies

BATCH = 250
FACT = "defaults:"


def announce(defaults: Mapping[str, Overrides], *, database: Database) -> list[str]:
    """Say what the code's defaults are; return the tasks whose jobs have yet to follow them."""
    with database.read() as tx:
        if all(_is_followed(tx, task, given) for task, given in defaults.items()):
            return []
    return database.write(lambda tx: [task for task, given in defaults.items() if not _note(tx, task, given)])


def _is_followed(tx: sa.Connection, task: str, given: Overrides) -> bool:
    return facts.get(tx, FACT + task) == {"policies": given.given(), "followed": True}


def _note(tx: sa.Connection, task: str, given: Overrides) -> bool:
    """Keep the defaults of a task; whether its jobs, if there are any, follow them already."""
    known = facts.get(tx, FACT + task)
    if known is not None and known["policies"] == given.given():
        return bool(known["followed"])
    followed = not jobs.of_task(tx, task, after="", limit=1)
    facts.put(tx, FACT + task, {"policies": given.given(), "followed": followed})
    return followed


def follow(task: str, given: Overrides, *, database: Database, now: datetime) -> bool:
    """Let the next batch of a task's jobs follow its defaults; whether there are more.

    How far that is stands in the store: engines that start together share the work, and go on where one has died. It
    is over too when another engine has announced other defaults meanwhile.
    """
    return database.write(lambda tx: _follow_batch(tx, task, given, now))


def _follow_batch(tx: sa.Connection, task: str, given: Overrides, now: datetime) -> bool:
    known = facts.get(tx, FACT + task)
    if known is None or known["followed"] or known["policies"] != given.given():
        return False
    after = known.get("after", "")
    found = jobs.of_task(tx, task, after=after, limit=BATCH)
    follows = {columns: _follows(columns, given) for columns in {columns for _, columns in found}}
    for job_id, columns in found:
        if not follows[columns]:
            _follow(tx, find(tx, job_id), given, now)
    more = len(found) == BATCH
    reached = {"after": found[-1][0]} if more else {}
    facts.put(tx, FACT + task, {"policies": given.given(), "followed": not more} | reached)
    return more


def _follows(columns: PolicyColumns, given: Overrides) -> bool:
    """Whether jobs with these policies need no second look; many jobs have the same."""
    try:
        overrides, policies = overrides_and_policies(columns)
        return admit_policies(given, overrides) == policies
    except (*READ_ERRORS, InvalidInput):
        return False


def _follow(tx: sa.Connection, job: Job, given: Overrides, now: datetime) -> None:
    """Put the policies in force of one job right; one that would contradict itself keeps those it has."""
    try:
        policies = admit_policies(given, job.overrides)
    except InvalidInput:
        return
    if policies != job.policies and not job.unreadable:
        write_policies(tx, job, replace(job, policies=policies), now)
