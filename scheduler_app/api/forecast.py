"""Calls about what will run."""

from typing import Any

from flask import Response

from scheduler_app.api.answers import answer
from scheduler_app.api.contract import Answer, context, room, serves
from scheduler_app.schemas.forecast import ForecastOut, ForecastQuery, UpcomingOut, UpcomingQuery
from scheduler_app.schemas.job import JobPath
from scheduler_app.services import forecast as service

calls = room("forecast", "What will run.")


@serves(calls, "GET /jobs/<job_id>/forecast", {200: Answer(model=ForecastOut, means="Its next times.")}, refuses=(404,))
def forecast_job(path: JobPath, query: ForecastQuery) -> Response:
    """Tell when a job will run.

    As things stand: pauses, skips and ends are honoured. `why` says what keeps it from running, or from running sooner.
    """
    return answer(_forecast(service.forecast(path.job_id, count=query.limit, ctx=context())))


@serves(calls, "GET /upcoming", {200: Answer(model=UpcomingOut, means="What will run.")})
def list_upcoming(query: UpcomingQuery) -> Response:
    """Tell what will run soon.

    Every job that fires `within` so many seconds, the first one first, with its times. `why` says why there is none.
    """
    found = service.upcoming(within=query.within, limit=query.limit, ctx=context())
    items = [_named(item) | {"next_run_times": item.next_run_times} for item in found.jobs]
    return answer({"items": items, "until": found.until, "complete": found.complete, "why": found.why})


def _forecast(found: service.Forecast) -> dict[str, Any]:
    return _named(found) | {"state": found.job.state, "next_run_times": found.next_run_times, "why": found.why}


def _named(found: service.Forecast) -> dict[str, Any]:
    return {"job_id": found.job.id, "name": found.job.name, "task": found.job.task}
