"""Calls about jobs."""

from flask import Response

from scheduler_app.api.answers import job_answer, jobs_root, page_answer, run_answer, runs_root
from scheduler_app.api.contract import Answer, context, room, serves
from scheduler_app.api.cursors import decode_job, decode_run, encode_job, encode_run
from scheduler_app.api.reading import MERGE_PATCH, OPTIONAL_JSON, read_version
from scheduler_app.schemas.fields import Nothing
from scheduler_app.schemas.job import (
    JobIn,
    JobList,
    JobOut,
    JobPatch,
    JobPath,
    JobPauseIn,
    JobQuery,
    RunNowIn,
    SkipIn,
    render_job,
)
from scheduler_app.schemas.run import JobRunQuery, RunList, RunOut, render_run
from scheduler_app.services import jobs as service
from scheduler_app.services import runs as run_service
from scheduler_app.services.changes import JobChanges

calls = room("jobs", "What runs, and when.")

A_JOB = {200: Answer(model=JobOut, means="The job.", headers=("ETag",))}


@serves(
    calls,
    "POST /jobs",
    {
        201: Answer(model=JobOut, means="The job was added.", headers=("ETag", "Location")),
        202: Answer(model=JobOut, means="The job runs once, now; see `last_run`.", headers=("ETag", "Location")),
    },
    refuses=(409, 413, 415, 422),
)
def create_job(body: JobIn) -> Response:
    """Add a job.

    Without a trigger it is a one-off that runs now: the answer is 202, and `last_run` leads to its run.
    """
    job = service.create_job(body.to_spec(), ctx=context())
    location = f"{jobs_root()}/{job.id}"
    return job_answer(job, 202 if job.trigger is None else 201, Location=location)


@serves(calls, "GET /jobs", {200: Answer(model=JobList, means="A page of jobs, by id.", headers=("Link",))})
def list_jobs(query: JobQuery) -> Response:
    """List jobs.

    Without `state` all but the finished ones.
    """
    page = service.list_jobs(query.to_filter(), after=decode_job(query.cursor), limit=query.limit, ctx=context())
    root = runs_root()
    return page_answer([render_job(job, root) for job in page.jobs], encode_job(page.after))


@serves(calls, "GET /jobs/<job_id>", A_JOB, refuses=(404,))
def get_job(path: JobPath) -> Response:
    """Get a job."""
    return job_answer(service.get_job(path.job_id, ctx=context()))


@serves(calls, "PATCH /jobs/<job_id>", A_JOB, refuses=(404, 412, 413, 415, 422), body=MERGE_PATCH, takes_version=True)
def change_job(path: JobPath, body: JobPatch) -> Response:
    """Change a job.

    A JSON merge patch: all of it or nothing. Null puts a policy back to its default. A paused job stays paused.
    """
    changes = JobChanges(fields=body.content(), policies=body.policies())
    return job_answer(service.change_job(path.job_id, changes, version=read_version(), ctx=context()))


@serves(
    calls,
    "DELETE /jobs/<job_id>",
    {204: Answer(model=None, means="The job is gone.")},
    refuses=(404, 412),
    takes_version=True,
)
def delete_job(path: JobPath) -> Response:
    """Delete a job.

    Its waiting runs are cancelled, running ones finish, its history stays.
    """
    service.delete_job(path.job_id, version=read_version(), ctx=context())
    return Response(status=204)


@serves(calls, "POST /jobs/<job_id>/pause", A_JOB, refuses=(404, 409, 413, 415, 422), body=OPTIONAL_JSON)
def pause_job(path: JobPath, body: JobPauseIn) -> Response:
    """Pause a job.

    It stops firing; queued and running runs go on. With `until` it resumes by itself. Pausing twice changes only what
    is given.
    """
    return job_answer(service.pause_job(path.job_id, reason=body.reason, until=body.until, ctx=context()))


@serves(calls, "POST /jobs/<job_id>/skip", A_JOB, refuses=(404, 409, 413, 415, 422))
def skip_firings(path: JobPath, body: SkipIn) -> Response:
    """Skip the next firings of a job.

    Sets how many; each is recorded as a run in state `skipped`, reason `requested`. 0 clears.
    """
    return job_answer(service.skip_firings(path.job_id, body.count, ctx=context()))


@serves(calls, "POST /jobs/<job_id>/resume", A_JOB, refuses=(404, 409, 413, 415, 422), body=OPTIONAL_JSON)
def resume_job(path: JobPath, body: Nothing) -> Response:
    """Resume a job.

    What it would have fired meanwhile is recorded as one missed range, reason `paused`.
    """
    return job_answer(service.resume_job(path.job_id, ctx=context()))


@serves(
    calls,
    "POST /jobs/<job_id>/run",
    {202: Answer(model=RunOut, means="The run, queued.", headers=("Location",))},
    refuses=(404, 413, 415, 422),
    body=OPTIONAL_JSON,
)
def run_job(path: JobPath, body: RunNowIn) -> Response:
    """Run a job now.

    Through the executor, never in the request, also when the job is paused. Arguments given replace all of its own.
    """
    run = service.run_job(path.job_id, args=body.args, kwargs=body.kwargs, ctx=context())
    return run_answer(run, 202, Location=f"{runs_root()}/{run.id}")


@serves(
    calls,
    "GET /jobs/<job_id>/runs",
    {200: Answer(model=RunList, means="A page of runs, newest first.", headers=("Link",))},
    refuses=(404,),
)
def list_job_runs(path: JobPath, query: JobRunQuery) -> Response:
    """List the runs of a job.

    The runs of a deleted job are in `GET /runs?job_id=`.
    """
    job = service.get_job(path.job_id, ctx=context())
    page = run_service.list_runs(
        query.of_job(job.id), before=decode_run(query.cursor), limit=query.limit, ctx=context()
    )
    return page_answer([render_run(run) for run in page.runs], encode_run(page.before))
