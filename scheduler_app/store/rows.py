"""Rows to domain objects and back; the only place that knows how a field is kept."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import EPOCH, from_micros, to_micros
from scheduler_app.domain.after import parent_of
from scheduler_app.domain.compact import compact, parse, text_of
from scheduler_app.domain.job import Job, JobState, LastRun
from scheduler_app.domain.policy import POLICY_NAMES, Overrides, Policies
from scheduler_app.domain.run import MissedRange, Origin, ParentRun, Progress, Run, RunError, RunState


def micros(moment: datetime | None) -> int | None:
    """Return a time as the store keeps it."""
    return None if moment is None else to_micros(moment)


def moment(value: int | None) -> datetime | None:
    """Return a kept time as an aware UTC datetime."""
    return None if value is None else from_micros(value)


def due_moment(value: Any) -> datetime | None:
    """Return when something is due, whatever somebody wrote there: what is no time is due never, or at once."""
    if value is None:
        return None
    try:
        return from_micros(value)
    except TypeError:
        return None
    except ArithmeticError:
        return EPOCH if value < 0 else None


@lru_cache(maxsize=4096)
def _policy_values(policies: Policies) -> Mapping[str, Any]:
    return asdict(policies) | {"tags": compact(list(policies.tags))}


@lru_cache(maxsize=4096)
def _overrides_text(overrides: Overrides) -> str:
    return compact(overrides.given())


# what reading a row may raise that somebody has damaged
READ_ERRORS = (ValueError, TypeError, KeyError, ArithmeticError, RecursionError)


def read_object(text: Any, kind: type) -> Any:
    """Return the JSON list or object that a column holds."""
    value = parse(text)
    if not isinstance(value, kind):
        raise ValueError(f"not a JSON {'array' if kind is list else 'object'}")
    return value


@lru_cache(maxsize=4096)
def policies_from(columns: tuple[Any, ...]) -> Policies:
    """Return the policies that the policy columns of a job hold, in their order; many jobs have the same."""
    row = dict(zip(POLICY_NAMES, columns, strict=True))
    given = row | {"coalesce": bool(row["coalesce"]), "tags": tuple(read_object(row["tags"], list))}
    return Policies.resolve(Overrides.model_validate(given))


# the overrides of a job as JSON text, then its policy columns in their order
PolicyColumns = tuple[Any, ...]


def overrides_and_policies(columns: PolicyColumns) -> tuple[Overrides, Policies]:
    """Return what a job overrides, and its policies in force; one of READ_ERRORS when they cannot be read."""
    return Overrides.model_validate(read_object(columns[0], dict)), policies_from(columns[1:])


def _policies(row: Mapping[str, Any]) -> Policies:
    return policies_from(tuple(row[name] for name in POLICY_NAMES))


def job_values(job: Job) -> dict[str, Any]:
    """Return a job as column values, its key left out, and what could not be read of it: that stays as it is."""
    values = {
        **_policy_values(job.policies),
        "id": job.id,
        "name": job.name,
        "task": job.task,
        "args": text_of(job.args),
        "kwargs": text_of(job.kwargs),
        "trigger": None if job.trigger is None else text_of(job.trigger),
        "trigger_type": None if job.trigger is None else job.trigger["type"],
        "after_job": parent_of(job.trigger),
        "overrides": _overrides_text(job.overrides),
        "state": job.state,
        "reason": job.reason,
        "next_run_time": micros(job.next_run_time),
        "paused_until": micros(job.paused_until),
        "skip_count": job.skip_count,
        "version": job.version,
        "created_at": to_micros(job.created_at),
        "updated_at": to_micros(job.updated_at),
    }
    return without(values, job.unreadable) if job.unreadable else values


def without(values: dict[str, Any], unreadable: Mapping[str, str]) -> dict[str, Any]:
    """Leave out the columns of these parts of a job."""
    columns = {*unreadable, *(POLICY_NAMES if "policies" in unreadable else ())}
    columns |= {"trigger_type", "after_job"} if "trigger" in unreadable else set()
    return {name: value for name, value in values.items() if name not in columns}


def job_of(row: sa.Row[Any], last_run: LastRun | None = None, *, lacks_parent: bool = False) -> Job:
    """Return the job that a row holds; one that cannot be read in every part is broken, with the reason."""
    values = row._asdict()
    parts: dict[str, Any] = {}
    unreadable: dict[str, str] = {}
    for name, part in JOB_PARTS.items():
        try:
            parts[name] = part.read(values)
        except READ_ERRORS as error:
            parts[name], unreadable[name] = part.stand_in, told(error)
    parts |= {"unreadable": unreadable, "last_run": last_run, "lacks_parent": lacks_parent}
    job = Job(key=values["key"], id=values["id"], **parts)
    return replace(job, state=JobState.BROKEN, reason=unreadable_because(unreadable)) if unreadable else job


def told(error: Exception) -> str:
    """Return an error as one short line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def unreadable_because(parts: Mapping[str, str]) -> str:
    """Return which parts of a row cannot be read, for people."""
    return "its row cannot be read: " + "; ".join(f"{name}: {why}" for name, why in parts.items())


@dataclass(frozen=True, kw_only=True)
class Part:
    """How a part of a job is read from its row, and what stands in for it when it cannot be read."""

    read: Callable[[Mapping[str, Any]], Any]
    stand_in: Any


def _text(name: str) -> Part:
    def read(row: Mapping[str, Any]) -> str:
        if not isinstance(row[name], str):
            raise ValueError("not text")
        return str(row[name])

    return Part(read=read, stand_in="?")


def _number(name: str) -> Part:
    def read(row: Mapping[str, Any]) -> int:
        if not isinstance(row[name], int):
            raise ValueError("not a whole number")
        return int(row[name])

    return Part(read=read, stand_in=0)


def _time(name: str) -> Part:
    return Part(read=lambda row: from_micros(row[name]), stand_in=EPOCH)


JOB_PARTS = {
    "name": _text("name"),
    "task": _text("task"),
    "args": Part(read=lambda row: read_object(row["args"], list), stand_in=[]),
    "kwargs": Part(read=lambda row: read_object(row["kwargs"], dict), stand_in={}),
    "trigger": Part(
        read=lambda row: None if row["trigger"] is None else read_object(row["trigger"], dict), stand_in=None
    ),
    "overrides": Part(
        read=lambda row: Overrides.model_validate(read_object(row["overrides"], dict)), stand_in=Overrides()
    ),
    "policies": Part(read=_policies, stand_in=Policies()),
    "state": Part(read=lambda row: JobState(row["state"]), stand_in=JobState.BROKEN),
    "reason": Part(read=lambda row: row["reason"], stand_in=None),
    "next_run_time": Part(read=lambda row: moment(row["next_run_time"]), stand_in=None),
    "paused_until": Part(read=lambda row: moment(row["paused_until"]), stand_in=None),
    "skip_count": _number("skip_count"),
    "version": _number("version"),
    "created_at": _time("created_at"),
    "updated_at": _time("updated_at"),
}


def run_of(row: sa.Row[Any]) -> Run:
    """Return the run that a row holds."""
    values = row._asdict()
    return Run(
        id=values["id"],
        job_key=values["job_key"],
        job_id=values["job_id"],
        task=values["task"],
        args=parse(values["args"]),
        kwargs=parse(values["kwargs"]),
        origin=Origin(values["origin"]),
        retry_of=values["retry_of"],
        parent=values["parent_run"],
        scheduled_at=from_micros(values["scheduled_at"]),
        state=RunState(values["state"]),
        reason=values["reason"],
        attempt=values["attempt"],
        max_attempts=values["max_attempts"],
        crashes=values["crashes"],
        queued_at=moment(values["queued_at"]),
        started_at=moment(values["started_at"]),
        finished_at=moment(values["finished_at"]),
        ready_at=from_micros(values["ready_at"]),
        concurrency_key=values["concurrency_key"],
        executor=values["executor"],
        engine=values["engine"],
        cancel_requested=bool(values["cancel_requested"]),
        progress=_progress(values),
        result=None if values["result"] is None else parse(values["result"]),
        error=error_of(values),
        missed=_missed(values),
    )


def parent_run_of(row: Any) -> ParentRun:
    """Return a run as the runs that it caused see it."""
    values = row._asdict()
    return ParentRun(
        id=values["id"],
        job_id=values["job_id"],
        state=RunState(values["state"]),
        attempt=values["attempt"],
        scheduled_at=from_micros(values["scheduled_at"]),
        started_at=moment(values["started_at"]),
        finished_at=moment(values["finished_at"]),
        result=None if values["result"] is None else parse(values["result"]),
        error=error_of(values),
    )


def _progress(values: Mapping[str, Any]) -> Progress | None:
    if values["progress_current"] is None:
        return None
    return Progress(
        current=values["progress_current"], total=values["progress_total"], message=values["progress_message"]
    )


def error_of(values: Mapping[str, Any]) -> RunError | None:
    """Return the error that the columns of a run hold."""
    if values["error_type"] is None:
        return None
    return RunError(
        type=values["error_type"], message=values["error_message"], traceback=values["error_traceback"] or ""
    )


def _missed(values: Mapping[str, Any]) -> MissedRange | None:
    if values["missed_since"] is None:
        return None
    return MissedRange(
        since=from_micros(values["missed_since"]),
        until=from_micros(values["missed_until"]),
        count=values["missed_count"],
    )
