"""Take over the jobs of an APScheduler's own SQL store.

Its rows are pickles, and reading a pickle runs whatever it says. This is the one place that reads any: it is called
only by a person who has said, with --trust-pickle, that the database is their own.
"""

import hashlib
import pickle  # noqa: TID251 - APScheduler 3 keeps nothing else; see above
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from scheduler_app.aps.jobs import as_json
from scheduler_app.aps.options import THREADS, overrides_of
from scheduler_app.aps.triggers import to_spec
from scheduler_app.clock import rfc3339
from scheduler_app.domain.job import Job, JobSpec, JobState, is_job_id
from scheduler_app.domain.task import Task
from scheduler_app.domain.text import one_line
from scheduler_app.errors import IdTaken, SchedulerError, UnknownTask
from scheduler_app.services.admission import admit
from scheduler_app.services.context import BY_COMMAND, Context
from scheduler_app.services.definitions import Start
from scheduler_app.services.jobs import insert
from scheduler_app.services.references import References
from scheduler_app.services.trail import Note, noting
from scheduler_app.store import apscheduler, jobs
from scheduler_app.store.apscheduler import PickledJob

MAIN = "__main__"
LONGEST_KEPT, LONGEST_NAME = 100, 191
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._:-]+")


class Fate(StrEnum):
    """What became of a job."""

    TAKEN = "taken over"
    KNOWN = "already here"
    LEFT = "left"


@dataclass(frozen=True, kw_only=True)
class Move:
    """What became of one job, and why."""

    id: str
    fate: Fate
    why: str


def move_in(rows: Sequence[PickledJob], *, references: References, ctx: Context) -> list[Move]:
    """Take over what can be, all in one transaction. What was taken over before is not again, even if it is gone."""
    now = ctx.clock.now()
    names = _names(references)
    read = [_read(row, names, references, now) for row in rows]

    def work(tx: sa.Connection) -> list[Move]:
        before = apscheduler.moved(tx)
        note = noting(tx, ctx.by(BY_COMMAND), now)
        moves = [_place(note, row, found, before) for row, found in zip(rows, read, strict=True)]
        apscheduler.note_moved(tx, {move.id for move in moves if move.fate is Fate.TAKEN})
        return moves

    return ctx.database.write(work)


def _place(note: Note, row: PickledJob, found: Job | Move, before: set[str]) -> Move:
    if row.id in before:
        return Move(id=row.id, fate=Fate.KNOWN, why="it was taken over before")
    if isinstance(found, Move):
        return found
    try:
        note.job_created(insert(note.tx, found, jobs.values_of(found), note.at))
    except IdTaken:
        return _left(row, f"a job with {_id_here(row, found)} is here already; it was not touched")
    due = None if found.next_run_time is None else rfc3339(found.next_run_time)
    why = f"task {found.task}, " + ("paused" if found.state is JobState.PAUSED else f"fires next at {due}")
    return Move(id=row.id, fate=Fate.TAKEN, why=why if found.id == row.id else f"as {_id_here(row, found)}, {why}")


def _id_here(row: PickledJob, found: Job) -> str:
    return "this id" if found.id == row.id else f"the id {found.id}, since an id here has letters, digits and ._:- only"


def _read(row: PickledJob, names: dict[str, str], references: References, now: datetime) -> Job | Move:
    """Return the job that a row holds, as one of ours; or why it cannot be."""
    try:
        state = pickle.loads(row.state)  # noqa: S301 - see the top of this module
    except Exception as error:  # noqa: BLE001 - a pickle may raise whatever it likes; the other jobs go on
        return _left(row, f"its pickle cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
    try:
        return _job_of(row, state, _task_of(str(state["func"]), names, references), references, now)
    except SchedulerError as error:
        return _left(row, error.detail)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return _left(row, f"it is not what APScheduler 3 writes: {type(error).__name__}: {error}")


def _left(row: PickledJob, why: str) -> Move:
    return Move(id=row.id, fate=Fate.LEFT, why=why)


def _names(references: References) -> dict[str, str]:
    """Return the name of each registered task by where its function stands; a script's own by its name there alone."""
    tasks = list(references.registry)
    standing = {_reference(task, task.function.__module__): task.name for task in tasks}
    counted = Counter(task.function.__qualname__ for task in tasks)
    alone = [task for task in tasks if counted[task.function.__qualname__] == 1]
    return {_reference(task, MAIN): task.name for task in alone} | standing


def _reference(task: Task, module: str) -> str:
    return f"{module}:{task.function.__qualname__}"


def _task_of(reference: str, names: dict[str, str], references: References) -> Task:
    if reference in names:
        return references.registry.get(names[reference])
    if references.covers(reference.partition(":")[0]):
        return references.load(reference)
    raise UnknownTask(f"its function {reference} is not registered; load it with --tasks, decorated with @task")


def fitting_id(theirs: str) -> str:
    """Return an id as it is if it fits, else the one that always stands for it here: two never become the same."""
    if is_job_id(theirs):
        return theirs
    kept = _NOT_IN_IDS.sub("-", theirs)[:LONGEST_KEPT].strip("._:-") or "job"
    return f"{kept}-{hashlib.sha256(theirs.encode(errors='backslashreplace')).hexdigest()[:12]}"


def _name_of(row: PickledJob, name: str, task: Task) -> str:
    """Return the name of a job; where its id cannot be kept, the name says what it was."""
    if is_job_id(row.id):
        return name
    theirs = one_line(row.id)
    return (theirs if name == task.function.__name__ else f"{name} ({theirs})")[:LONGEST_NAME]


def _job_of(row: PickledJob, state: dict[str, Any], task: Task, references: References, now: datetime) -> Job:
    """Return the job with everything that APScheduler knew of it."""
    args, kwargs = as_json(task, state["args"], state["kwargs"])
    policies = {name: state[name] for name in ("misfire_grace_time", "coalesce", "max_instances")}
    if state.get("executor") not in THREADS:
        raise UnknownTask(f"its executor {state.get('executor')!r} is not here; runs execute in threads")
    due = state["next_run_time"]
    spec = JobSpec(
        id=fitting_id(row.id),
        task=task.name,
        name=_name_of(row, str(state["name"]), task),
        args=args,
        kwargs=kwargs,
        trigger=to_spec(state["trigger"]),
        overrides=overrides_of(policies),
    )
    job = admit(spec, references.registry, now)
    start = Start(at=None if due is None else due.astimezone(UTC))
    return replace(start.apply(job), created_at=now)
