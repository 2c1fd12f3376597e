"""The routes of Flask-APScheduler 1.13.1, served only when SCHEDULER_API_ENABLED says so, over our use cases.

The same paths and the same JSON. What differs is what was unsafe there: a `func` must be a registered task, or lie in a
loaded module below SCHEDULER_TASK_MODULES; nothing runs in the request; a request of another site is refused; what is
wrong is 4xx, a problem document that has Flask-APScheduler's `error_message` besides.
"""

import functools
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Response, current_app, request
from flask_apscheduler.utils import job_to_dict
from werkzeug.exceptions import HTTPException

from scheduler_app.api.errors import aborted, problem, refused
from scheduler_app.api.logins import LONGEST_NAME, SAFE, comes_from_another_site, person_of
from scheduler_app.api.reading import read_object
from scheduler_app.api.refusals import CrossSite
from scheduler_app.api.roles import check
from scheduler_app.api.security import request_id
from scheduler_app.aps.desk import UnknownJob, acting
from scheduler_app.aps.jobs import StoredJob
from scheduler_app.aps.options import TRIGGER_FIELDS
from scheduler_app.domain.change import ANYONE
from scheduler_app.domain.text import one_line
from scheduler_app.errors import Conflict, SchedulerError, Unauthorized
from scheduler_app.services.context import Actor
from scheduler_app.services.ownership import refuse_outsider
from scheduler_app.services.references import Reach
from scheduler_app.services.roles import Role

if TYPE_CHECKING:
    from scheduler_app.extension.scheduler import Scheduler

View = Callable[..., Response]
NEEDS = {
    "get_scheduler_info": Role.VIEWER,
    "get_job": Role.VIEWER,
    "get_jobs": Role.VIEWER,
    "pause_scheduler": Role.OPERATOR,
    "resume_scheduler": Role.OPERATOR,
    "pause_job": Role.OPERATOR,
    "resume_job": Role.OPERATOR,
    "run_job": Role.OPERATOR,
    "start_scheduler": Role.ADMIN,
    "shutdown_scheduler": Role.ADMIN,
    "add_job": Role.ADMIN,
    "update_job": Role.ADMIN,
    "delete_job": Role.ADMIN,
}


def routes() -> tuple[tuple[str, str, View, str], ...]:
    """Return endpoint, path, view and method of each route."""
    return (
        ("get_scheduler_info", "", get_scheduler_info, "GET"),
        ("pause_scheduler", "/pause", pause_scheduler, "POST"),
        ("resume_scheduler", "/resume", resume_scheduler, "POST"),
        ("start_scheduler", "/start", start_scheduler, "POST"),
        ("shutdown_scheduler", "/shutdown", shutdown_scheduler, "POST"),
        ("add_job", "/jobs", add_job, "POST"),
        ("get_job", "/jobs/<job_id>", get_job, "GET"),
        ("get_jobs", "/jobs", get_jobs, "GET"),
        ("delete_job", "/jobs/<job_id>", delete_job, "DELETE"),
        ("update_job", "/jobs/<job_id>", update_job, "PATCH"),
        ("pause_job", "/jobs/<job_id>/pause", pause_job, "POST"),
        ("resume_job", "/jobs/<job_id>/resume", resume_job, "POST"),
        ("run_job", "/jobs/<job_id>/run", run_job, "POST"),
    )


def guarded(view: View) -> View:
    """Refuse what another site's page sends, and tell what is wrong as 4xx."""

    @functools.wraps(view)
    def call(**parts: str) -> Response:
        try:
            if request.method not in SAFE and comes_from_another_site():
                raise CrossSite("this call comes from a page of another site")
            with acting(Actor(name=_caller(view.__name__), request_id=request_id())):
                return view(**parts)
        except SchedulerError as error:
            return _with_message(refused(error), error.detail)
        except HTTPException as error:
            return _with_message(aborted(error), error.description or error.name)

    return call


def _caller(name: str) -> str:
    """Return who makes this call; refuse who may not, where the app says who may do what."""
    scheduler = _scheduler()
    if scheduler.role is None:
        return _authorized(scheduler)
    given, person = person_of(current_app.ensure_sync(scheduler.role)())
    if given is None:
        raise Unauthorized("sign in first")
    check(given, NEEDS[name])
    return person


def _authorized(scheduler: "Scheduler") -> str:
    """Return the user that Flask-APScheduler's own authentication has let through; without one anyone may call."""
    given = scheduler.auth.get_authorization() if scheduler.auth else None
    user = given.get("username") if isinstance(given, Mapping) else None
    return one_line(str(user))[:LONGEST_NAME] if user else ANYONE


def _with_message(response: Response, detail: str) -> Response:
    response.set_data(json.dumps({**json.loads(response.get_data()), "error_message": detail}))
    return response


def _scheduler() -> "Scheduler":
    scheduler: Scheduler = current_app.extensions["scheduler"]
    return scheduler


def _answer(content: Any) -> Response:
    return current_app.response_class(json.dumps(content, default=_plain), mimetype="application/json")


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _shown(job: StoredJob | None, job_id: str = "") -> dict[str, Any]:
    if job is None:
        raise UnknownJob(f"Job {job_id[:191]} not found")
    shown: dict[str, Any] = job_to_dict(job)
    return {**shown, "args": job.record.args, "kwargs": job.record.kwargs}


def get_scheduler_info() -> Response:
    """Tell where the scheduler is and whether it runs."""
    scheduler = _scheduler()
    return _answer(
        {
            "current_host": scheduler.host_name,
            "allowed_hosts": scheduler.allowed_hosts,
            "running": scheduler.running,
        }
    )


def pause_scheduler() -> Response:
    """Let nothing fire, in any process."""
    _scheduler().pause()
    return Response(status=204)


def resume_scheduler() -> Response:
    """End the pause."""
    _scheduler().resume()
    return Response(status=204)


def start_scheduler() -> Response:
    """Start the engine of this process."""
    scheduler = _scheduler()
    if scheduler.running:
        return _not_now("the scheduler is running already")
    scheduler.start()
    return Response(status=204)


def shutdown_scheduler() -> Response:
    """Stop the engine of this process."""
    scheduler = _scheduler()
    if not scheduler.running:
        return _not_now("the scheduler is not running")
    scheduler.shutdown(wait=read_object().get("wait") is not False)
    return Response(status=204)


def _not_now(detail: str) -> Response:
    """Say that the scheduler is not in the state for that, with the status that Flask-APScheduler has for it."""
    return _with_message(problem(400, Conflict.code, detail), detail)


def add_job() -> Response:
    """Add a job."""
    given, desk = read_object(), _scheduler().desk
    if given.get("replace_existing") is True:
        refuse_outsider(str(given.get("id")), "trigger", ctx=desk.ctx)
    return _answer(_shown(desk.add(given, reach=Reach.REQUEST)))


def get_job(job_id: str) -> Response:
    """Return a job."""
    return _answer(_shown(_scheduler().get_job(job_id), job_id))


def get_jobs() -> Response:
    """Return every job that is not finished."""
    return _answer([_shown(job) for job in _scheduler().get_jobs()])


def delete_job(job_id: str) -> Response:
    """Delete a job, unless the code declares it."""
    refuse_outsider(job_id, ctx=_scheduler().desk.ctx)
    _scheduler().remove_job(job_id)
    return Response(status=204)


def update_job(job_id: str) -> Response:
    """Change a job, all of it or nothing; a paused job stays paused. The code owns what it declares."""
    given, desk = read_object(), _scheduler().desk
    owned = {"func": "task"} | dict.fromkeys(("trigger", *TRIGGER_FIELDS, "next_run_time"), "trigger")
    for name in given.keys() & owned:
        refuse_outsider(job_id, owned[name], ctx=desk.ctx)
    return _answer(_shown(desk.modify(job_id, given, reach=Reach.REQUEST)))


def pause_job(job_id: str) -> Response:
    """Stop a job from firing."""
    return _answer(_shown(_scheduler().pause_job(job_id)))


def resume_job(job_id: str) -> Response:
    """Let a paused job fire again."""
    return _answer(_shown(_scheduler().resume_job(job_id)))


def run_job(job_id: str) -> Response:
    """Run a job now, through the executor."""
    _scheduler().run_job(job_id)
    return _answer(_shown(_scheduler().get_job(job_id), job_id))
