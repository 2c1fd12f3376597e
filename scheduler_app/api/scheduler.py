"""Calls about the scheduler as a whole."""

from flask import Response

from scheduler_app.api.answers import answer
from scheduler_app.api.contract import Answer, context, room, serves
from scheduler_app.api.reading import OPTIONAL_JSON
from scheduler_app.schemas.fields import Nothing
from scheduler_app.schemas.job import PauseIn
from scheduler_app.schemas.scheduler import SchedulerOut, render_scheduler
from scheduler_app.services import scheduler as service

calls = room("scheduler", "Every engine, and the pause that holds for all processes.")

A_SCHEDULER = {200: Answer(model=SchedulerOut, means="Every engine, and how much there is to do.")}


@serves(calls, "GET /scheduler", A_SCHEDULER)
def get_scheduler() -> Response:
    """Get the state of the scheduler."""
    return answer(render_scheduler(service.view_scheduler(ctx=context())))


@serves(calls, "POST /scheduler/pause", A_SCHEDULER, refuses=(413, 415, 422), body=OPTIONAL_JSON)
def pause_scheduler(body: PauseIn) -> Response:
    """Pause everything.

    Nothing fires and nothing is claimed, in any process; running work goes on.
    """
    return answer(render_scheduler(service.pause_scheduler(reason=body.reason, ctx=context())))


@serves(calls, "POST /scheduler/resume", A_SCHEDULER, refuses=(413, 415, 422), body=OPTIONAL_JSON)
def resume_scheduler(body: Nothing) -> Response:
    """End the pause.

    The firings of the paused time become one missed range for each job, reason `paused`.
    """
    return answer(render_scheduler(service.resume_scheduler(ctx=context())))
