"""Calls about what has happened and what is planned, in numbers."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from flask import Response

from scheduler_app.api.answers import answer
from scheduler_app.api.contract import Answer, context, room, serves
from scheduler_app.api.refusals import BadQuery
from scheduler_app.clock import rfc3339
from scheduler_app.errors import Fault
from scheduler_app.schemas.job import JobPath
from scheduler_app.schemas.stats import (
    JobStatsOut,
    StatsOut,
    StatsQuery,
    TimelineOut,
    TimelineQuery,
    WeekOut,
    WeekQuery,
)
from scheduler_app.services import jobs, outlooks
from scheduler_app.services import stats as service

calls = room("stats", "What has happened and what is planned, in numbers.")

DAY = timedelta(days=1)
MOST_STEPS = 3_000
LONGEST = timedelta(days=31)
STEPS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}
BEHIND, AHEAD = timedelta(minutes=40), timedelta(minutes=22)


@serves(calls, "GET /stats", {200: Answer(model=StatsOut, means="How runs ended, by the minute or the hour.")})
def get_stats(query: StatsQuery) -> Response:
    """Count how runs ended.

    By the minute or the hour in which they ended, from roll-ups that are kept when runs end: minutes for 48 hours,
    hours for 400 days, however long the runs themselves are kept. Of a missed range each firing is counted.
    """
    ctx = context()
    now = ctx.clock.now()
    until = query.until or now
    since = query.since or until - DAY
    _refuse_unfit(since, until, MOST_STEPS * STEPS[query.step])
    found = service.buckets(since, until, query.step, ctx=ctx)
    minutes = service.pulse(since, until, ctx=ctx) if query.step == "minute" else []
    pulses = {pulse.at: pulse for pulse in minutes}
    day, punctuality = service.day(now, ctx=ctx), service.punctuality(now, ctx=ctx)
    return answer(
        {
            "items": [asdict(bucket) | _pulse(pulses.get(bucket.at)) for bucket in found],
            "step": query.step,
            "day": {"last": _tally(day.last), "before": _tally(day.before)},
            "lag": asdict(service.lag(ctx=ctx)),
            "fired": punctuality.fired,
            "due": punctuality.due,
            "overdue": punctuality.overdue,
            "now": now,
        }
    )


def _pulse(pulse: service.Pulse | None) -> dict[str, Any]:
    return {"lag": None if pulse is None else asdict(pulse.lag), "backlog": None if pulse is None else pulse.backlog}


def _tally(tally: service.Tally) -> dict[str, Any]:
    return asdict(tally) | {"success": tally.success}


@serves(calls, "GET /jobs/<job_id>/stats", {200: Answer(model=JobStatsOut, means="How it goes.")}, refuses=(404,))
def get_job_stats(path: JobPath) -> Response:
    """Tell how a job goes.

    What its last 90 runs took, how late they were and how they ended, kept when they end.
    """
    job = jobs.get_job(path.job_id, ctx=context())
    found = service.of_jobs([job.key], ctx=context())[job.key]
    return answer(asdict(found) | {"job_id": job.id, "success": found.success})


@serves(calls, "GET /forecast", {200: Answer(model=WeekOut, means="The 168 hours.")})
def get_week(query: WeekQuery) -> Response:
    """Tell what is planned for a week.

    By the hour, as an engine reckons it when jobs change, and every half an hour. Intervals and cron are counted
    exactly; of combined triggers that fire more than 600 times an hour, one hour stands for those after it. A week
    that ends more than eight days ahead is reckoned when it is asked for, for 2,000 jobs at most and half a second.
    """
    planned = outlooks.week_ahead(query.since or context().clock.now(), ctx=context())
    return answer({"items": [asdict(plan) for plan in planned.plans], "complete": planned.complete})


@serves(calls, "GET /timeline", {200: Answer(model=TimelineOut, means="Each job that has anything in it.")})
def get_timeline(query: TimelineQuery) -> Response:
    """Show a span of time job by job.

    What ran, what runs and what is planned, where firings collide, and how many slots are busy.
    """
    now = context().clock.now()
    since, until = query.since or now - BEHIND, query.until or now + AHEAD
    _refuse_unfit(since, until, LONGEST)
    found = outlooks.timeline(since, until, limit=query.limit, sort=query.sort, ctx=context())
    return answer(
        {
            "from": since,
            "to": until,
            "items": [_row(row) for row in found.rows],
            "collisions": [asdict(collision) for collision in found.collisions],
            "slots": asdict(found.slots),
            "complete": found.complete,
        }
    )


def _row(row: outlooks.TimelineRow) -> dict[str, Any]:
    job = row.job
    return {
        "job_id": job.id,
        "name": job.name,
        "task": job.task,
        "tags": list(job.policies.tags),
        "bars": [asdict(bar) for bar in row.bars],
        "planned": [asdict(planned) for planned in row.planned],
    }


def _refuse_unfit(since: datetime, until: datetime, longest: timedelta) -> None:
    """Refuse a span that ends before it begins, or is longer than is told."""
    if since >= until:
        _refuse("/from", f"'from' must be before 'to', {rfc3339(until)}; got {rfc3339(since)}")
    if until - since > longest:
        _refuse("/from", f"'from' must be at most {longest} before 'to', {rfc3339(until)}; got {rfc3339(since)}")


def _refuse(pointer: str, detail: str) -> None:
    raise BadQuery(detail, faults=[Fault(pointer=pointer, detail=detail)])
