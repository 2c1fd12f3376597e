"""Defaults of tasks that change in code reach the jobs that are stored already.

The store keeps, as a fact for each task, the defaults that its jobs follow. An engine says once, when it starts, what
its code says. Only where that is new do the jobs follow, in batches; so of two versions that run side by side the one
that started last is followed, and they never take turns.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

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
    return facts.get(tx, FACT + task) == _fact(given, followed=True)


def _note(tx: sa.Connection, task: str, given: Overrides) -> bool:
    """Keep the defaults of a task; whether its jobs, if there are any, follow them already."""
    followed = _is_followed(tx, task, given) or not jobs.of_task(tx, task, after="", limit=1)
    facts.put(tx, FACT + task, _fact(given, followed=followed))
    return followed


def _fact(given: Overrides, *, followed: bool) -> dict[str, Any]:
    return {"policies": given.given(), "followed": followed}


def follow(task: str, given: Overrides, *, after: str, database: Database, now: datetime) -> str | None:
    """Let a batch of a task's jobs follow its defaults; return the last one's id, None when that is done.

    It is done too when another engine has announced other defaults meanwhile.
    """
    return database.write(lambda tx: _follow_batch(tx, task, given, after, now))


def _follow_batch(tx: sa.Connection, task: str, given: Overrides, after: str, now: datetime) -> str | None:
    if facts.get(tx, FACT + task) != _fact(given, followed=False):
        return None
    found = jobs.of_task(tx, task, after=after, limit=BATCH)
    follows = {columns: _follows(columns, given) for columns in {columns for _, columns in found}}
    for job_id, columns in found:
        if not follows[columns]:
            _follow(tx, find(tx, job_id), given, now)
    if len(found) == BATCH:
        return found[-1][0]
    facts.put(tx, FACT + task, _fact(given, followed=True))
    return None


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
