"""Rows to domain objects and back; the only place that knows how a field is kept."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.job import Job, JobState, LastRun
from scheduler_app.domain.policy import POLICY_NAMES, Delivery, Executor, Overlap, Overrides, Policies
from scheduler_app.domain.run import MissedRange, Origin, Progress, Run, RunError, RunState


def micros(moment: datetime | None) -> int | None:
    """Return a time as the store keeps it."""
    return None if moment is None else to_micros(moment)


def moment(value: int | None) -> datetime | None:
    """Return a kept time as an aware UTC datetime."""
    return None if value is None else from_micros(value)


def compact(value: Any) -> str:
    """Return a JSON value as the text that is kept."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@lru_cache(maxsize=4096)
def _policy_values(policies: Policies) -> dict[str, Any]:
    return asdict(policies) | {"tags": compact(list(policies.tags))}


def policy_values(policies: Policies) -> dict[str, Any]:
    """Return policies as column values."""
    return dict(_policy_values(policies))


UNREADABLE = policy_values(Policies()) | {
    "args": "[]",
    "kwargs": "{}",
    "trigger": None,
    "overrides": "{}",
    "state": "broken",
    "next_run_time": None,
    "paused_until": None,
}


@lru_cache(maxsize=4096)
def policies_from(columns: tuple[Any, ...]) -> Policies:
    """Return the policies that the policy columns of a job hold, in their order; many jobs have the same."""
    return policies_of(dict(zip(POLICY_NAMES, columns, strict=True)))


def policies_of(row: Mapping[str, Any]) -> Policies:
    """Return the policies that a job's row holds."""
    values = {name: row[name] for name in POLICY_NAMES}
    values |= {
        "coalesce": bool(row["coalesce"]),
        "tags": tuple(json.loads(row["tags"])),
        "overlap": Overlap(row["overlap"]),
        "delivery": Delivery(row["delivery"]),
        "executor": Executor(row["executor"]),
    }
    return Policies(**values)


def job_values(job: Job) -> dict[str, Any]:
    """Return a job as column values, its key left out."""
    return policy_values(job.policies) | {
        "id": job.id,
        "name": job.name,
        "task": job.task,
        "args": compact(job.args),
        "kwargs": compact(job.kwargs),
        "trigger": None if job.trigger is None else compact(job.trigger),
        "trigger_type": None if job.trigger is None else job.trigger["type"],
        "overrides": compact(job.overrides.given()),
        "state": job.state,
        "reason": job.reason,
        "next_run_time": micros(job.next_run_time),
        "paused_until": micros(job.paused_until),
        "version": job.version,
        "created_at": to_micros(job.created_at),
        "updated_at": to_micros(job.updated_at),
    }


def job_of(row: sa.Row[Any], last_run: LastRun | None = None) -> Job:
    """Return the job that a row holds; a row that cannot be read is a broken job, with the reason."""
    values = row._asdict()
    try:
        return _job(values, last_run)
    except (ValueError, TypeError, KeyError) as error:
        return _job(values | UNREADABLE | {"reason": unreadable(error)}, last_run)


def unreadable(error: Exception) -> str:
    """Return why a row cannot be read, for people."""
    return f"its row cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _job(values: Mapping[str, Any], last_run: LastRun | None) -> Job:
    return Job(
        key=values["key"],
        id=values["id"],
        name=values["name"],
        task=values["task"],
        args=json.loads(values["args"]),
        kwargs=json.loads(values["kwargs"]),
        trigger=None if values["trigger"] is None else json.loads(values["trigger"]),
        overrides=Overrides.model_validate(json.loads(values["overrides"])),
        policies=policies_of(values),
        state=JobState(values["state"]),
        reason=values["reason"],
        next_run_time=moment(values["next_run_time"]),
        paused_until=moment(values["paused_until"]),
        version=values["version"],
        created_at=from_micros(values["created_at"]),
        updated_at=from_micros(values["updated_at"]),
        last_run=last_run,
    )


def run_of(row: sa.Row[Any]) -> Run:
    """Return the run that a row holds."""
    values = row._asdict()
    return Run(
        id=values["id"],
        job_key=values["job_key"],
        job_id=values["job_id"],
        task=values["task"],
        args=json.loads(values["args"]),
        kwargs=json.loads(values["kwargs"]),
        origin=Origin(values["origin"]),
        retry_of=values["retry_of"],
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
        executor=values["executor"],
        engine=values["engine"],
        cancel_requested=bool(values["cancel_requested"]),
        progress=_progress(values),
        result=None if values["result"] is None else json.loads(values["result"]),
        error=_error(values),
        missed=_missed(values),
    )


def _progress(values: Mapping[str, Any]) -> Progress | None:
    if values["progress_current"] is None:
        return None
    return Progress(
        current=values["progress_current"], total=values["progress_total"], message=values["progress_message"]
    )


def _error(values: Mapping[str, Any]) -> RunError | None:
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
