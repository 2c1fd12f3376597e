"""Fill a store with the world's past and present, quickly: rows in bulk, as the engine would have written them."""

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from scheduler_app.clock import from_micros, to_micros
from scheduler_app.domain.job import Job, JobSpec, JobState
from scheduler_app.domain.policy import Overrides
from scheduler_app.domain.task import Registry
from scheduler_app.domain.trigger import parse_trigger
from scheduler_app.services.admission import admit
from scheduler_app.services.reckoning import Reckoning
from scheduler_app.store import facts, filling, lags, plans
from scheduler_app.store import jobs as job_rows
from scheduler_app.store.database import Database
from scheduler_app.store.endings import Firings
from scheduler_app.store.tables import engines, job_tags, jobs, logs, runs, samples
from tests.dashboard.world import NOW, Work

Tell = Callable[[str], None]
T = TypeVar("T")
SECOND = 1_000_000
BATCH = 10_000
PAUSED_DAYS = 41
ALIVE = (1, 2)
DAY = timedelta(days=1)
GEO_GONE = datetime.fromisoformat("2026-11-20T08:12:00+00:00")
REFUSED = ("ConnectionRefusedError", "sftp.bank.example:22")
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/tasks/bank.py", line 41, in import_statements
    with sftp.connect(HOST, timeout=10) as connection:
  File "/srv/shop/.venv/lib/python3.12/site-packages/sftp/client.py", line 188, in connect
    sock.connect(address)
ConnectionRefusedError: sftp.bank.example:22
"""


@dataclass(frozen=True)
class Known:
    """A job in the store, and what its runs are like."""

    work: Work
    job: Job


def fill(database: Database, works: Sequence[Work], registry: Registry, *, number: int, tell: Tell) -> None:
    """Write the jobs, about `number` runs before NOW, what runs and waits at NOW, and the engines."""
    known = [Known(work, _job(work, registry)) for work in works]
    tell(f"{len(known):,} jobs planned")
    database.write_alone(lambda tx: _insert_jobs(tx, known))
    firings = _firings(known, number)
    tell(f"{len(firings):,} firings planned")
    written = 0
    for batch in _batched(_runs(known, firings)):
        database.write_alone(lambda tx, rows=batch: tx.execute(runs.insert(), rows))
        written += len(batch)
        tell(f"{written:,} runs written")
    database.write_alone(lambda tx: _present(tx, {one.work.id: one for one in known}, registry))
    derive(database, firings)
    tell("done")


def _batched(things: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(things)
    while batch := list(islice(rest, BATCH)):
        yield batch


def derive(database: Database, firings: Sequence[tuple[int, int]]) -> None:
    """Compute every table that is derived from runs and jobs, as an engine that keeps books does."""
    database.write_alone(lambda tx: facts.drop(tx, filling.FACT))
    while database.write_alone(lambda tx: filling.step(tx, NOW)):
        pass
    reckoning = Reckoning(since=NOW)
    while database.write_alone(lambda tx: reckoning.step(tx, 50)):
        pass
    database.write_alone(
        lambda tx: plans.replace(tx, reckoning.hours, NOW.replace(minute=0, second=0), reckoning.until)
    )
    database.write_alone(lambda tx: _measure(tx, firings))


def _measure(tx: sa.Connection, firings: Sequence[tuple[int, int]]) -> None:
    """Write how late jobs fired in the last three hours, and how many runs waited in each minute."""
    luck = random.Random(5)
    begin = to_micros(NOW - timedelta(hours=3))
    for at, _ in firings:
        if at >= begin:
            late = luck.uniform(0.01, 0.05) + (luck.uniform(0.1, 0.3) if _was_slow(at) else 0)
            lags.add(tx, [Firings(at=at + int(SECOND * late), due=[at])])
    waits = 7
    for minute in range(180, 0, -1):
        waits = 60 if minute == 109 else max(luck.randrange(6, 11), int(waits * 0.88))
        place = begin // SECOND // 60 * 60 * SECOND + (180 - minute) * 60 * SECOND
        tx.execute(samples.insert(), {"at": place, "backlog": waits, "overdue": 0})


def _job(work: Work, registry: Registry) -> Job:
    overrides = Overrides(**work.policies, tags=work.tags)
    name = work.name or work.id
    born = NOW - 400 * DAY
    task = work.task if registry.find(work.task) else "demo.count"
    spec = JobSpec(
        task=task, id=work.id, name=name, args=[], kwargs=work.kwargs, overrides=overrides, trigger=work.trigger
    )
    job = replace(admit(spec, registry, born), task=work.task)
    if job.trigger is not None:
        job = replace(job, next_run_time=parse_trigger(job.trigger, now=born).after(NOW))
    if work.id == "legacy-ftp-pull":
        at = NOW - PAUSED_DAYS * DAY
        return replace(job, state=JobState.PAUSED, reason="until the vendor moves hosts", version=7, updated_at=at)
    if work.id == "tax-rates":
        reason = "trigger: the zone Europe/Kyiw does not exist; did you mean Europe/Kyiv?"
        return replace(job, state=JobState.BROKEN, reason=reason, next_run_time=None, updated_at=GEO_GONE)
    return job


def _insert_jobs(tx: sa.Connection, known: Sequence[Known]) -> None:
    first = tx.execute(sa.select(sa.func.coalesce(sa.func.max(jobs.c.key), 0))).scalar_one() + 1
    rows = [{**job_rows.values_of(one.job), "key": first + at} for at, one in enumerate(known)]
    for batch in _batched(rows):
        tx.execute(jobs.insert(), batch)
    tags = [{"tag": tag, "job_key": row["key"]} for row, one in zip(rows, known, strict=True) for tag in one.work.tags]
    if tags:
        tx.execute(job_tags.insert(), tags)
    for at, one in enumerate(known):
        object.__setattr__(one.job, "key", first + at)


def _firings(known: Sequence[Known], number: int) -> list[tuple[int, int]]:
    """Return the last `number` firings as (microseconds, place of the job), the first one first."""
    a_day = sum(len(_between(one, NOW - DAY, NOW)) for one in known)
    begin = NOW - DAY * max(1.0, 1.08 * number / max(1, a_day))
    found = [(at, place) for place, one in enumerate(known) for at in _between(one, begin, NOW)]
    return sorted(found)[-number:]


def _between(one: Known, begin: datetime, end: datetime) -> list[int]:
    if one.job.trigger is None:
        return []
    if one.job.state is JobState.PAUSED:
        begin, end = begin - PAUSED_DAYS * DAY, end - PAUSED_DAYS * DAY
    trigger, found, at = parse_trigger(one.job.trigger, now=one.job.created_at), [], begin
    while (at := trigger.after(at)) is not None and at < end:
        found.append(to_micros(at))
    return found


def _runs(known: Sequence[Known], firings: Sequence[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    luck = random.Random(7)
    left: dict[int, int] = {}
    for _, place in firings:
        left[place] = left.get(place, 0) + 1
    for at, place in firings:
        left[place] -= 1
        yield _past(known[place], at, left[place], luck)


def _past(one: Known, at: int, newer: int, luck: random.Random) -> dict[str, Any]:
    """Return how a firing ended that has `newer` ones after it."""
    job, work = one.job, one.work
    lag = int(SECOND * (luck.uniform(0.01, 0.05) + (luck.uniform(0.1, 0.3) if _was_slow(at) else 0)))
    waits = 9_000 + (luck.randrange(20, 200) * SECOND if _was_slow(at) else 0)
    took = int(SECOND * max(0.02, work.usual * luck.lognormvariate(0, 0.12)))
    row = of(job, at) | {"queued_at": at + lag, "state": "succeeded", "engine": luck.choice(ALIVE)}
    row |= {"started_at": at + lag + waits, "finished_at": at + lag + waits + took, "attempt": 1, "result": "null"}
    chance = luck.random() * 1000
    if work.id == "nightly-backup" and newer == 0:
        return _unexecuted(row, at, "missed", "misfire_grace_time", at + 41 * 60 * SECOND)
    if work.id == "warm-cache" and newer == 96:
        return _unexecuted(row, at, "missed", "coalesced", at + 30 * 60 * SECOND, count=4)
    if work.id == "sync-ledger" and newer in (31, 90, 91, 300):
        return _unexecuted(row, at, "skipped", "overlap", at + lag)
    if work.id == "geo-lookup-refresh" and from_micros(at) > GEO_GONE:
        return row | {
            "state": "queued",
            "engine": None,
            "started_at": None,
            "finished_at": None,
            "attempt": 0,
            "result": None,
        }
    if work.id == "import-bank-statements" and newer < 6:
        return _failed(row, *REFUSED, TRACEBACK)
    if work.id == "price-watch" and newer in (14, 300):
        finished = row["started_at"] + 120 * SECOND
        return row | {"state": "timed_out", "reason": "timeout", "result": None, "finished_at": finished}
    if work.id == "loyalty-points" and newer == 3:
        return row | {"state": "cancelled", "reason": "requested", "result": None}
    if work.id == "fraud-score" and newer == 10:
        return row | {"state": "lost", "reason": "no_beat", "result": None, "engine": 3}
    return _failed(row, "ValueError", "price is not a number", "") if chance < work.failing else row


def _was_slow(at: int) -> bool:
    """Whether it was right after an engine had gone."""
    return timedelta(hours=1, minutes=45) < NOW - from_micros(at) < timedelta(hours=1, minutes=50)


def _failed(row: dict[str, Any], kind: str, message: str, traceback: str) -> dict[str, Any]:
    text = traceback or f"Traceback (most recent call last):\n{kind}: {message}\n"
    error = {"error_type": kind, "error_message": message, "error_traceback": text}
    return row | error | {"state": "failed", "result": None, "finished_at": row["started_at"] + 10_040_000}


def _unexecuted(row: dict[str, Any], at: int, state: str, reason: str, seen: int, count: int = 1) -> dict[str, Any]:
    empty = {"queued_at": None, "started_at": None, "engine": None, "attempt": 0, "result": None}
    span = {"missed_since": at, "missed_until": at, "missed_count": count} if state == "missed" else {}
    return row | empty | span | {"state": state, "reason": reason, "finished_at": seen}


UNSET = (
    *("reason", "engine", "token", "queued_at", "started_at", "finished_at", "result"),
    *("progress_current", "progress_total", "progress_message"),
    *("error_type", "error_message", "error_traceback", "missed_since", "missed_until", "missed_count"),
)


def of(job: Job, at: int, origin: str = "schedule") -> dict[str, Any]:
    """Return the row of a run of a job that waits; every column that any run of the world sets is there."""
    policies = job.policies
    row: dict[str, Any] = dict.fromkeys(UNSET)
    values = {"job_key": job.key, "job_id": job.id, "task": job.task, "args": "[]", "kwargs": json.dumps(job.kwargs)}
    values |= {"origin": origin, "scheduled_at": at, "state": "queued", "ready_at": at, "attempt": 0}
    values |= {"max_attempts": 1 + policies.max_retries, "priority": policies.priority, "timeout": policies.timeout}
    values |= {
        "concurrency_key": policies.concurrency_key,
        "delivery": policies.delivery,
        "executor": policies.executor,
    }
    return row | values


def _present(tx: sa.Connection, known: dict[str, Known], registry: Registry) -> None:
    """Write what runs and waits now, its logs, and the engines."""
    now = to_micros(NOW)
    names = sorted(registry.names())
    for number, host, pid, state, up, beat in (
        (1, "app-1", 4121, "running", 46_860, 2),
        (2, "app-2", 988, "running", 46_860, 1),
        (3, "app-3", 2210, "dead", 99_000, 6_600),
        (4, "w1", 731, "running", 46_860, 3),
        (5, "w2", 733, "running", 46_860, 3),
        (6, "w3", 729, "running", 46_860, 41),
    ):
        is_celery = host.startswith("w")
        executors = {"celery": {"slots": 8}} if is_celery else {"thread": {"slots": 16}, "process": {"slots": 2}}
        row = {"id": number, "node": host, "host": host, "pid": pid, "process_start": "1", "parent_pid": 1}
        row |= {
            "slots": 0 if is_celery else 16,
            "celery_pool": "threads" if is_celery else None,
            "lag": None if is_celery else 0.03,
            "claims": 0.0 if is_celery else 1.8,
            "books": 1,
            "commit_seconds": 0.0018,
            "parent_start": "1",
            "version": "0.1.0",
            "tasks": json.dumps(names),
            "state": state,
            "beat": up // 10,
        }
        row |= {"started_at": now - up * SECOND, "beat_at": now - beat * SECOND, "executors": json.dumps(executors)}
        if number == 1 or known:
            tx.execute(engines.insert(), row | {"last_pass_at": now - beat * SECOND - 400_000})
    for job_id, origin, since, engine, progress in RUNNING:
        if job_id in known:
            _start(tx, known[job_id].job, (origin, now - since * SECOND, engine), progress)
    for job_id in ("sync-ledger", "post-invoices"):
        if job_id in known:
            _forget(tx, known[job_id].job, at := now - 128 * SECOND)
            tx.execute(runs.insert(), of(known[job_id].job, at) | {"state": "scheduled", "reason": "blocked"})


def _forget(tx: sa.Connection, job: Job, at: int) -> None:
    """Remove the firing that the history has already, as one that ended."""
    tx.execute(runs.delete().where(runs.c.job_key == job.key, runs.c.scheduled_at == at))


RUNNING = (
    ("rebuild-search-index", "manual", 842, 1, (43, 50, "writing segment 43 of 50")),
    ("train-recommender", "manual", 311, 2, (13, 30, "epoch 13")),
    ("thumbnail-backlog", "manual", 160, 2, (2133, 10050, "2,133 of 10,050")),
    ("sync-products-eu", "schedule", 7, 1, None),
)


def _start(tx: sa.Connection, job: Job, when: tuple[str, int, int], progress: tuple[float, float, str] | None) -> None:
    origin, at, engine = when
    row = of(job, at, origin) | {
        "state": "running",
        "engine": engine,
        "attempt": 1,
        "token": at,
        "queued_at": at + 20_000,
    }
    row |= {"started_at": at + 30_000}
    if progress:
        row |= dict(zip(("progress_current", "progress_total", "progress_message"), progress, strict=True))
    _forget(tx, job, at)
    run_id = tx.execute(runs.insert().returning(runs.c.id), row).scalar_one()
    lines = [
        f"2026-11-22 15:58:{at % 60:02d},120 INFO segment {at} of 50, {at * 1317:,} documents" for at in range(1, 44)
    ]
    text = "\n".join(["preparing", *lines, "WARNING: 3 documents without a title", ""]).encode()
    tx.execute(logs.insert(), {"run_id": run_id, "start": 0, "size": len(text), "attempt": 1, "text": text})
