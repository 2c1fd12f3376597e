"""Calls that do something with many jobs."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Response

from scheduler_app.api.answers import answer, runs_root
from scheduler_app.api.contract import ONCE, Answer, context, room, serves
from scheduler_app.api.errors import problem_of
from scheduler_app.api.once import once
from scheduler_app.api.reading import BATCH
from scheduler_app.api.roles import require
from scheduler_app.domain.job import Job, JobSpec
from scheduler_app.domain.run import Run
from scheduler_app.errors import InvalidInput, SchedulerError
from scheduler_app.schemas.bulk import ActionsIn, ActionsOut, BatchIn, BatchOut
from scheduler_app.schemas.faults import fitting
from scheduler_app.schemas.job import JobIn, render_job
from scheduler_app.schemas.run import render_run
from scheduler_app.services import bulk as service
from scheduler_app.services import jobs
from scheduler_app.services.context import Context
from scheduler_app.services.roles import Role

calls = room("bulk", "Many jobs in one call.")


@serves(
    calls,
    "POST /jobs/batch",
    {200: Answer(model=BatchOut, means="One result for each job, in their order.")},
    refuses=(409, 413, 415, 422),
    body=BATCH,
    told=ONCE,
)
def create_jobs(body: BatchIn) -> Response:
    """Add many jobs.

    Up to 1,000 in one transaction, each as `POST /jobs` takes it, 8 MiB in all. What is wrong with one does not stop
    the others.
    """
    specs = [_spec(given) for given in body.jobs]
    return once(body, lambda ctx: service.create_jobs(specs, ctx=ctx), batch_answer)


@serves(
    calls,
    "POST /jobs/actions",
    {200: Answer(model=ActionsOut, means="One result for each job that was acted on.")},
    refuses=(413, 415, 422),
)
def act_on_jobs(body: ActionsIn) -> Response:
    """Act on many jobs.

    Pause, resume, run or delete the jobs of these `ids`, or the first 1,000 that fit a `filter`. Each is acted on as by
    its own call, and has a result of its own.
    """
    if body.action == "delete":
        require(Role.ADMIN)
    action = partial(ACTIONS[body.action], reason=body.reason)
    if body.filter is not None:
        return actions_answer(service.act_on_matching(body.filter.to_filter(), action, ctx=context()))
    return actions_answer(service.act_on_ids(body.ids, action, ctx=context()))


def _spec(given: object) -> JobSpec | SchedulerError:
    """Return what one item of a batch asks for, or why it is refused."""
    try:
        return fitting(JobIn, given).to_spec()
    except InvalidInput as error:
        return error


def batch_answer(added: list[Job | SchedulerError]) -> Response:
    """Render what became of each job of a batch."""
    root = runs_root()
    return answer({"items": [_batch_item(item, root) for item in added]})


def _batch_item(item: Job | SchedulerError, root: str) -> dict[str, Any]:
    if isinstance(item, SchedulerError):
        problem = problem_of(item)
        return {"status": problem["status"], "job": None, "problem": problem}
    return {"status": 202 if item.trigger is None else 201, "job": render_job(item, root), "problem": None}


def actions_answer(acted: service.Acted) -> Response:
    """Render what became of each job that was acted on."""
    root = runs_root()
    items = [{"id": job_id} | _action_item(done, root) for job_id, done in acted.results]
    return answer({"matched": acted.matched, "items": items})


def _action_item(done: service.Done, root: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {"status": 204, "job": None, "run": None, "problem": None}
    if isinstance(done, SchedulerError):
        problem = problem_of(done)
        return nothing | {"status": problem["status"], "problem": problem}
    if isinstance(done, Run):
        return nothing | {"status": 202, "run": render_run(done)}
    return nothing if done is None else nothing | {"status": 200, "job": render_job(done, root)}


def _pause(job_id: str, ctx: Context, *, reason: str | None) -> Job:
    return jobs.pause_job(job_id, reason=reason, ctx=ctx)


def _resume(job_id: str, ctx: Context, *, reason: None) -> Job:
    return jobs.resume_job(job_id, ctx=ctx)


def _run(job_id: str, ctx: Context, *, reason: None) -> Run:
    return jobs.run_job(job_id, ctx=ctx)


def _delete(job_id: str, ctx: Context, *, reason: None) -> None:
    jobs.delete_job(job_id, ctx=ctx)


ACTIONS: dict[str, Callable[..., Job | Run | None]] = {
    "pause": _pause,
    "resume": _resume,
    "run": _run,
    "delete": _delete,
}
